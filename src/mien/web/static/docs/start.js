// Swagger UI on this service's own description; nothing is loaded from elsewhere.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger",
  deepLinking: true,
  validatorUrl: null, // it would send the address to swagger.io
  tryItOutEnabled: true,
});
