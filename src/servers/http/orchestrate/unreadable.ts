import { OrchestratorError } from '../../../base/errors.ts';
import { namedDetail } from '../detailErrors.ts';
import { jsonBodyLimit, readJsonBody } from '../jsonBody.ts';

/** The object in a request's body, or the answer where there is none: 422 as FastAPI has it, 413 where it is too large. */
export async function readJsonObject(
  request: Request,
): Promise<{ readonly object: Readonly<Record<string, unknown>> } | Response> {
  let body: Awaited<ReturnType<typeof readJsonBody>>;
  try {
    body = await readJsonBody(request);
  } catch (error) {
    const { message } = OrchestratorError.from(error);
    return namedDetail(422, [{ type: 'json_invalid', loc: ['body'], msg: message }]);
  }
  if (body instanceof Response) {
    const detail = `The body is larger than ${jsonBodyLimit} bytes.`;
    return namedDetail(413, detail, { Connection: 'close' });
  }
  const { json } = body;
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) {
    return { object: json as Readonly<Record<string, unknown>> };
  }
  return namedDetail(422, [{ type: 'dict_type', loc: ['body'], msg: 'The body must be a JSON object.' }]);
}

export function missingTask(): Response {
  return namedDetail(422, [{ type: 'missing', loc: ['query', 'task'], msg: 'Field required' }]);
}
