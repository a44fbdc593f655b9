import { readFileSync } from 'node:fs';
import { invalidRequest } from '../core/text.ts';

/**
 * The certificate and its key, PEM, of `<flag>-cert` and `<flag>-key`; undefined where neither is given.
 * Error: `invalid_request`.
 */
export function readTls(
  flag: string,
  cert: string | undefined,
  key: string | undefined,
): { readonly cert: Buffer; readonly key: Buffer } | undefined {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined)
    throw invalidRequest(`${flag}-cert and ${flag}-key belong together.`);
  return { cert: readPem(cert), key: readPem(key) };
}

function readPem(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw invalidRequest(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
