"""The folders of the Postman collection, one module for each role or topic.

The requests of a folder are in the order in which people work.
"""
