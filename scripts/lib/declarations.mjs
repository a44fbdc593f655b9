// One file of types for each entry point of the published client: no import of ours, and none of zod.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { repo } from './paths.mjs';

/**
 * @typedef {object} Declared a top-level statement of a declaration file
 * @property {string} text without its `export`
 * @property {Set<string>} mentions every name in it
 */

const clientFolder = join(repo, 'src/clients/daemon');
const printer = ts.createPrinter({ removeComments: false });

/**
 * The types of `daemonClient.mjs` and `react.mjs`.
 * @returns {{ client: string, react: string }}
 */
export function clientDeclarations() {
  const entry = join(clientFolder, 'entry.ts');
  const react = join(clientFolder, 'react.ts');
  const program = ts.createProgram([entry, react], compilerOptions());
  const declared = declarationsOf(program);
  const exported = exportsOf(program, entry);
  const client = [...reachable(declared, exported.values()).values(), exportList(exported)].join('\n');

  const hooks = exportsOf(program, react);
  const shared = new Map([...exported].map(([name, local]) => [local, name]));
  const needed = reachable(declared, hooks.values(), shared);
  const borrowed = [...shared].filter(([local]) =>
    [...needed.keys()].some((name) => declared.get(name)?.mentions.has(local)),
  );
  const names = borrowed.map(([local, name]) => (local === name ? name : `${name} as ${local}`)).sort();
  const imports = `import type { ${names.join(', ')} } from './daemonClient.mjs';`;
  return { client, react: [imports, ...needed.values(), exportList(hooks)].join('\n') };
}

function compilerOptions() {
  const file = join(repo, 'tsconfig/universal.json');
  const { config } = ts.readConfigFile(file, (path) => readFileSync(path, 'utf8'));
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, join(repo, 'tsconfig'));
  const { tsBuildInfoFile: _, ...rest } = options;
  return { ...rest, composite: false, incremental: false };
}

/**
 * Every top-level declaration of every module of ours, by its name.
 * @param {ts.Program} program
 * @returns {Map<string, Declared>}
 */
function declarationsOf(program) {
  /** @type {Map<string, Declared>} */
  const declared = new Map();
  const add = (/** @type {string} */ name, /** @type {Declared} */ statement) => {
    if (declared.has(name) && declared.get(name)?.text !== statement.text) {
      // Overloads of a function are statements of one name.
      throw new Error(`Two modules of the client declare "${name}": one file cannot hold both.`);
    }
    declared.set(name, statement);
  };
  for (const source of program.getSourceFiles()) {
    if (source.isDeclarationFile || source.fileName.includes('node_modules')) continue;
    const isSchema = source.statements.some(
      (statement) =>
        ts.isImportDeclaration(statement) && statement.moduleSpecifier.getText() === "'zod/mini'",
    );
    const text = isSchema ? inferredTypes(program, source) : emitted(program, source);
    const file = ts.createSourceFile(source.fileName, text, ts.ScriptTarget.Latest, true);
    for (const statement of file.statements) {
      for (const name of namesOf(statement))
        add(name, { text: unexported(statement), mentions: mentions(statement) });
    }
  }
  return declared;
}

/**
 * What zod infers, written out.
 * @param {ts.Program} program
 * @param {ts.SourceFile} source
 */
function inferredTypes(program, source) {
  const checker = program.getTypeChecker();
  return source.statements
    .filter(ts.isTypeAliasDeclaration)
    .map((alias) => {
      if (alias.typeParameters !== undefined) return alias.getFullText();
      const type = checker.getTypeFromTypeNode(alias.type);
      const node = checker.typeToTypeNode(type, undefined, ts.NodeBuilderFlags.NoTruncation);
      if (node === undefined) throw new Error(`The type ${alias.name.text} cannot be written out.`);
      const written = printer.printNode(ts.EmitHint.Unspecified, node, source);
      return `export type ${alias.name.text} = ${written};`;
    })
    .join('\n');
}

/** @param {ts.Program} program @param {ts.SourceFile} source */
function emitted(program, source) {
  let text = '';
  program.emit(source, (_path, written) => (text = written), undefined, true);
  if (/\bimport\(/.test(text)) throw new Error(`${source.fileName}: an exported type is not written down.`);
  return text;
}

/** @param {ts.Statement} statement */
function namesOf(statement) {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map(({ name }) => name.getText());
  }
  const isNamed =
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isFunctionDeclaration(statement);
  return isNamed && statement.name !== undefined ? [statement.name.text] : [];
}

/** @param {ts.Statement} statement */
function unexported(statement) {
  const text = statement.getFullText();
  const modifier = ts.canHaveModifiers(statement)
    ? ts.getModifiers(statement)?.find(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
    : undefined;
  if (modifier === undefined) return text.trim();
  const from = modifier.getStart() - statement.getFullStart();
  return (text.slice(0, from) + text.slice(from + 'export '.length)).trim();
}

/** @param {ts.Node} node */
function mentions(node) {
  /** @type {Set<string>} */
  const names = new Set();
  const visit = (/** @type {ts.Node} */ child) => {
    if (ts.isIdentifier(child)) names.add(child.text);
    ts.forEachChild(child, visit);
  };
  visit(node);
  return names;
}

/**
 * The declarations that these names need, by name; those of `elsewhere` are somebody else's.
 * @param {Map<string, Declared>} declared
 * @param {Iterable<string>} names
 * @param {ReadonlyMap<string, string>} [elsewhere]
 */
function reachable(declared, names, elsewhere = new Map()) {
  /** @type {Map<string, string>} */
  const found = new Map();
  const waiting = [...names];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const statement = declared.get(name);
    if (statement === undefined || found.has(name) || elsewhere.has(name)) continue;
    found.set(name, statement.text);
    waiting.push(...statement.mentions);
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * What an entry point exports: its name there, and the name of the declaration.
 * @param {ts.Program} program
 * @param {string} path
 */
function exportsOf(program, path) {
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(path);
  const module = source && checker.getSymbolAtLocation(source);
  if (module === undefined) throw new Error(`${path} is not a module.`);
  return new Map(
    checker.getExportsOfModule(module).map((symbol) => {
      const isAlias = (symbol.flags & ts.SymbolFlags.Alias) !== 0;
      return [symbol.name, isAlias ? checker.getAliasedSymbol(symbol).name : symbol.name];
    }),
  );
}

/** @param {ReadonlyMap<string, string>} exported */
function exportList(exported) {
  const names = [...exported].map(([name, local]) => (name === local ? name : `${local} as ${name}`));
  return `export { ${names.sort().join(', ')} };\n`;
}
