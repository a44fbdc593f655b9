import { invalidRequest } from '../../core/text.ts';
import { tooLargeResponse } from './httpErrors.ts';
import { readBody } from './requestBody.ts';

/** Of a JSON body, in bytes. */
export const jsonBodyLimit = 1024 * 1024;
/** How deep objects and arrays may lie in one another. */
const depthLimit = 64;

/**
 * The JSON of a request, or the answer where it is too large. Its type must be said: the form of a web page cannot say
 * it without the browser asking first. Error: `invalid_request`.
 */
export async function readJsonBody(request: Request): Promise<{ readonly json: unknown } | Response> {
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/(?:[\w.+-]+\+)?json *(?:;|$)/i.test(type)) {
    throw invalidRequest('The body must be JSON, with the header "Content-Type: application/json".');
  }
  const body = await readBody(request, jsonBodyLimit);
  if (body === undefined) return tooLargeResponse(jsonBodyLimit);
  return { json: parse(body) };
}

function parse(body: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw invalidRequest('The body is not UTF-8.');
  }
  if (isTooDeep(text)) throw invalidRequest(`The body is nested deeper than ${depthLimit} levels.`);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw invalidRequest('The body is not JSON.');
  }
}

/** Before it is parsed: what comes after parsing may go as deep as the text. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let isInString = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (isInString) {
      if (character === '\\') index += 1;
      else if (character === '"') isInString = false;
    } else if (character === '"') {
      isInString = true;
    } else if (character === '{' || character === '[') {
      depth += 1;
      if (depth > depthLimit) return true;
    } else if (character === '}' || character === ']') {
      depth -= 1;
    }
  }
  return false;
}
