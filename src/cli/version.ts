/** Of this product; the build puts it in (esbuild.mjs). */
export const version: string = process.env['ORCHESTRATION_WORKBENCH_VERSION'] ?? '0.0.0-development';
