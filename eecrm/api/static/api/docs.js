"use strict";

// The page on which to try the API out. It asks nobody but this server.
const description = document.getElementById("description");

// Swagger UI would send every example along: a filter, a cursor and a condition that nobody asked for.
const optional = (parameter) => {
  if (parameter.required || parameter.example === undefined) {
    return parameter;
  }
  const { example, ...rest } = parameter;
  return { ...rest, description: `${rest.description} For example \`${example}\`.` };
};
const WithoutGuesses = () => ({
  statePlugins: {
    spec: {
      wrapActions: {
        updateJsonSpec: (update) => (document) => {
          for (const operations of Object.values(document.paths ?? {})) {
            for (const operation of Object.values(operations)) {
              operation.parameters = operation.parameters?.map(optional);
            }
          }
          return update(document);
        },
      },
    },
  },
});

SwaggerUIBundle({
  url: description.dataset.schema,
  domNode: description,
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [WithoutGuesses],
  layout: "BaseLayout",
  validatorUrl: null,
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
});
