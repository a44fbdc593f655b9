/**
 * Checks what a model passes to a tool against the tool's schema, before the server is asked. The schema is a
 * stranger's, so nothing of it is compiled or run: types, required and further properties, constants, choices, limits of
 * numbers and lengths, combinations, and references within the schema are checked; `pattern` and `format` are left to
 * the server.
 */

/** Deeper, it is the server's to check. */
const maxDepth = 32;
/** Of a schema with many combinations, in looks at a part of it. */
const maxLooks = 20_000;

type Schema = Readonly<Record<string, unknown>>;

interface Walk {
  readonly root: Schema;
  looks: number;
}

/** @returns what is wrong, for the model; undefined where nothing is. */
export function checkArguments(schema: Schema, value: unknown): string | undefined {
  if (!isRecord(value)) return 'The arguments must be an object.';
  return check({ root: schema, looks: 0 }, schema, value, '', 0);
}

function check(walk: Walk, schema: unknown, value: unknown, path: string, depth: number): string | undefined {
  walk.looks += 1;
  if (schema === false) return `${at(path)} is not allowed.`;
  if (!isRecord(schema) || depth > maxDepth || walk.looks > maxLooks) return undefined;
  const { $ref: reference } = schema;
  if (typeof reference === 'string') {
    const target = resolve(walk.root, reference);
    const wrong = target === undefined ? undefined : check(walk, target, value, path, depth + 1);
    if (wrong !== undefined) return wrong;
  }
  return (
    checkType(schema, value, path) ??
    checkChoice(schema, value, path) ??
    checkSize(schema, value, path) ??
    checkProperties(walk, schema, value, path, depth) ??
    checkItems(walk, schema, value, path, depth) ??
    checkCombinations(walk, schema, value, path, depth)
  );
}

function checkType({ type }: Schema, value: unknown, path: string): string | undefined {
  const types = (Array.isArray(type) ? type : [type]).filter((name) => typeof name === 'string');
  if (types.length === 0 || types.some((name) => isOfType(name, value))) return undefined;
  return `${at(path)} must be ${types.join(' or ')}.`;
}

function isOfType(type: string, value: unknown): boolean {
  switch (type) {
    case 'object':
      return isRecord(value);
    case 'array':
      return Array.isArray(value);
    case 'null':
      return value === null;
    case 'integer':
      return Number.isInteger(value);
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === type;
    default:
      return true;
  }
}

function checkChoice(schema: Schema, value: unknown, path: string): string | undefined {
  if (Object.hasOwn(schema, 'const') && !isSame(schema['const'], value))
    return `${at(path)} must be ${shown(schema['const'])}.`;
  const { enum: choices } = schema;
  if (!Array.isArray(choices) || choices.some((choice) => isSame(choice, value))) return undefined;
  return `${at(path)} must be one of ${choices.slice(0, 20).map(shown).join(', ')}.`;
}

function checkSize(schema: Schema, value: unknown, path: string): string | undefined {
  const limit = (name: string): number | undefined => {
    const number = schema[name];
    return typeof number === 'number' ? number : undefined;
  };
  const within = (size: number, least?: number, most?: number, unit = ''): string | undefined => {
    if (least !== undefined && size < least) return `${at(path)} must be at least ${least}${unit}.`;
    if (most !== undefined && size > most) return `${at(path)} must be at most ${most}${unit}.`;
    return undefined;
  };
  if (typeof value === 'string')
    return within(Array.from(value).length, limit('minLength'), limit('maxLength'), ' characters');
  if (Array.isArray(value)) return within(value.length, limit('minItems'), limit('maxItems'), ' items');
  if (typeof value !== 'number') return undefined;
  const above = limit('exclusiveMinimum');
  const below = limit('exclusiveMaximum');
  if (above !== undefined && value <= above) return `${at(path)} must be more than ${above}.`;
  if (below !== undefined && value >= below) return `${at(path)} must be less than ${below}.`;
  return within(value, limit('minimum'), limit('maximum'));
}

function checkProperties(
  walk: Walk,
  schema: Schema,
  value: unknown,
  path: string,
  depth: number,
): string | undefined {
  if (!isRecord(value)) return undefined;
  const { required, additionalProperties: others, patternProperties } = schema;
  const properties = isRecord(schema['properties']) ? schema['properties'] : {};
  const missing = (Array.isArray(required) ? required : []).find(
    (name): name is string => typeof name === 'string' && !Object.hasOwn(value, name),
  );
  if (missing !== undefined) return `${at(join(path, missing))} is missing.`;
  for (const [name, item] of Object.entries(value)) {
    const isKnown = Object.hasOwn(properties, name);
    // Which of the others a pattern means is the server's to say.
    if (!isKnown && (others === undefined || isRecord(patternProperties))) continue;
    const wrong = check(walk, isKnown ? properties[name] : others, item, join(path, name), depth + 1);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function checkItems(
  walk: Walk,
  { items, prefixItems }: Schema,
  value: unknown,
  path: string,
  depth: number,
): string | undefined {
  if (!Array.isArray(value) || items === undefined || prefixItems !== undefined || Array.isArray(items))
    return undefined;
  for (const [index, item] of value.entries()) {
    const wrong = check(walk, items, item, `${path}[${index}]`, depth + 1);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function checkCombinations(
  walk: Walk,
  { allOf, anyOf, oneOf }: Schema,
  value: unknown,
  path: string,
  depth: number,
): string | undefined {
  for (const part of Array.isArray(allOf) ? allOf : []) {
    const wrong = check(walk, part, value, path, depth + 1);
    if (wrong !== undefined) return wrong;
  }
  // Whether more than one of `oneOf` fits may hang on a pattern.
  for (const choices of [anyOf, oneOf]) {
    if (!Array.isArray(choices) || choices.length === 0) continue;
    const wrongs = choices.map((choice) => check(walk, choice, value, path, depth + 1));
    if (wrongs.every((wrong) => wrong !== undefined)) return wrongs[0];
  }
  return undefined;
}

/** Of this schema's own parts only: `#/$defs/name`. */
function resolve(root: Schema, reference: string): unknown {
  if (reference === '#') return root;
  if (!reference.startsWith('#/')) return undefined;
  let part: unknown = root;
  for (const step of reference.slice(2).split('/')) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~');
    if (!isRecord(part) || !Object.hasOwn(part, name)) return undefined;
    part = part[name];
  }
  return part;
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && JSON.stringify(a) === JSON.stringify(b));
}

function isRecord(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function at(path: string): string {
  return path === '' ? 'The value' : `"${path.slice(0, 200)}"`;
}

function shown(value: unknown): string {
  return JSON.stringify(value).slice(0, 100);
}
