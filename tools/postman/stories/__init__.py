"""The folders of the Postman collection, one module for each role or topic. Requests are in the order of the work."""
