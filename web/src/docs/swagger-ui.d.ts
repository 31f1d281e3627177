declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  /** Draws the documentation; what it takes is at https://swagger.io/docs/open-source-tools/swagger-ui. */
  export default function SwaggerUI(options: Record<string, unknown>): unknown;
}
