// The API's documentation: Swagger UI on the description that the gateway publishes, with "Try it out" by a token.
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import "./docs.css";

SwaggerUI({
  dom_id: "#docs",
  url: new URL("../openapi.json", location.href).href,
  deepLinking: true,
  // The token is for this view of the page alone.
  persistAuthorization: false,
  validatorUrl: null,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  requestSnippetsEnabled: true,
  syntaxHighlight: { activated: true, theme: "agate" },
});
