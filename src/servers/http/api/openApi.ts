import * as z from 'zod/mini';
import type { ApiRoute } from './apiRoute.ts';

export const apiBase = '/api/daemon';

const errorSchema = {
  type: 'object',
  required: ['error', 'code', 'reason'],
  properties: { error: { type: 'string' }, code: { type: 'string' }, reason: { type: 'string' } },
} as const;

const errorTexts: Readonly<Record<number, string>> = {
  400: 'Something in the request is wrong',
  401: 'No token, or a wrong one',
  403: 'The token has not the scope, or the page or name is not allowed',
  404: 'There is no such thing',
  409: 'It cannot be done as things stand',
  429: 'Too much at a time; see Retry-After',
};

/** What every route may answer. */
const commonErrors = [400, 401, 403, 429] as const;

/** OpenAPI 3.1, made of the routes that are served. */
export function openApiDocument(routes: readonly ApiRoute[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {
    '/health': {
      get: {
        summary: 'Whether it is there; the only one without a token',
        security: [],
        responses: {
          200: jsonAnswer('It is', {
            type: 'object',
            required: ['status', 'timestamp'],
            properties: { status: { const: 'healthy' }, timestamp: { type: 'string', format: 'date-time' } },
          }),
        },
      },
    },
    '/metrics': {
      get: described("The daemon's status as Prometheus reads it", 'text/plain', { type: 'string' }),
    },
    '/openapi.json': { get: described('This document', 'application/json', { type: 'object' }) },
    [`${apiBase}/openapi.json`]: { get: described('This document', 'application/json', { type: 'object' }) },
  };
  for (const route of routes) {
    const path = `${route.base ?? apiBase}${route.path}`;
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Orchestrator daemon', version },
    security: [{ bearer: [] }, { apiKey: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
      schemas: { Error: errorSchema },
    },
  };
}

function operation(route: ApiRoute): Record<string, unknown> {
  const ids = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const query = route.query === undefined ? undefined : schemaOf(route.query, 'input');
  const required = new Set((query?.['required'] ?? []) as readonly string[]);
  const fields = Object.entries((query?.['properties'] ?? {}) as Readonly<Record<string, unknown>>).map(
    ([name, schema]) => ({ name, in: 'query', required: required.has(name), schema }),
  );
  const answer = jsonAnswer('It was done', schemaOf(route.answer, 'output'));
  const stream = route.isStream === true ? { 'text/event-stream': { schema: { type: 'string' } } } : {};
  return {
    summary: route.summary,
    'x-scope': route.scope,
    parameters: [...ids, ...fields],
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: schemaOf(route.body, 'input') } },
          },
        }),
    responses: {
      [route.status]: { ...answer, content: { ...answer.content, ...stream } },
      ...errorAnswers([...commonErrors, ...(route.errors ?? [])]),
    },
  };
}

function described(summary: string, type: string, schema: unknown): Record<string, unknown> {
  return {
    summary,
    'x-scope': 'read',
    responses: {
      200: { description: 'It is', content: { [type]: { schema } } },
      ...errorAnswers(commonErrors),
    },
  };
}

function errorAnswers(statuses: readonly number[]): Record<string, unknown> {
  const schema = { $ref: '#/components/schemas/Error' };
  return Object.fromEntries(
    statuses.map((status) => [status, jsonAnswer(errorTexts[status] ?? 'Error', schema)]),
  );
}

function jsonAnswer(
  description: string,
  schema: unknown,
): { description: string; content: Record<string, unknown> } {
  return { description, content: { 'application/json': { schema } } };
}

function schemaOf(schema: z.ZodMiniType, io: 'input' | 'output'): Record<string, unknown> {
  // What has been parsed and is turned into something else is described by what it was made of.
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return json;
}
