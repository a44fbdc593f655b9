import js from '@eslint/js';
import boundaries from 'eslint-plugin-boundaries';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/**
 * The folder table of docs/architecture.md, lowest floor first: what each folder may import besides itself.
 * `ports` is the part of `core` that the floors below the domain may know.
 */
const mayImport = {
  base: [],
  ports: ['base', 'core'],
  core: ['base', 'ports'],
  protocol: ['base'],
  processHost: ['base', 'protocol', 'ports'],
  adapters: ['base', 'protocol', 'core', 'ports'],
  workers: ['base', 'protocol', 'core', 'ports', 'processHost', 'adapters'],
  servers: ['base', 'protocol', 'core', 'ports'],
  clients: ['base', 'protocol', 'core', 'ports'],
  vscode: ['base', 'protocol', 'core', 'ports', 'processHost', 'adapters', 'workers', 'servers', 'clients'],
  cli: ['base', 'protocol', 'core', 'ports', 'processHost', 'adapters', 'workers', 'servers', 'clients'],
  webview: ['base', 'protocol'],
};

/** @param {string} name */
const folderOf = (name) =>
  name === 'webview' ? 'webview-ui/src' : name === 'ports' ? 'src/core/ports' : `src/${name}`;

const elements = ['ports', ...Object.keys(mayImport).filter((name) => name !== 'ports')].map((name) => ({
  type: name,
  pattern: folderOf(name),
}));

const policies = Object.entries(mayImport).map(([name, allowed]) => ({
  from: { element: { type: name } },
  allow: { to: { element: { types: { anyOf: [name, ...allowed] } } } },
}));

const tests = ['**/*.test.ts', '**/*.spec.ts', 'test/**/*.ts', 'src/**/testing/**/*.ts'];
const universal = ['src/base/**', 'src/core/**', 'src/protocol/**', 'src/clients/daemon/**', 'webview-ui/**'];

/** Import bans are one rule whose options replace each other, so each set of files gets its full list. */
const ban = {
  vscode: { regex: '^vscode$', message: 'Only src/vscode may import vscode.' },
  pty: { regex: '^node-pty$', message: 'Only src/processHost may load node-pty.' },
  node: { regex: '^node:', message: 'This folder runs in every environment: take what you need as a port.' },
  bareNode: {
    regex:
      '^(assert|child_process|crypto|events|fs|http|net|os|path|process|stream|timers|url|util|worker_threads)(/.*)?$',
    message: 'Write Node built-ins with the node: prefix.',
  },
};

/**
 * @param {(keyof typeof ban)[]} names
 * @returns {import('eslint').Linter.RulesRecord}
 */
const restrictedImports = (...names) => ({
  'no-restricted-imports': ['error', { patterns: names.map((name) => ban[name]) }],
});

// ESLint itself wants this default export.
export default defineConfig(
  {
    ignores: [
      'dist/',
      'dist-test/',
      'dist-vsix/',
      '.cache/',
      'test/artifacts/',
      'node_modules/',
      'media/',
      'coverage/',
      'src/protocol/gen/',
      'test/conformance/gen/',
      // An application's code, with the seed's own lines in it.
      'test/integration/fixtures/daemonClient/',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidOperator: true },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' },
      ],
      '@typescript-eslint/no-misused-promises': [
        'error',
        { checksVoidReturn: { arguments: false, attributes: false } },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      // Narrow generics on a public door document the call; deleting keys of a record is how a map-like object works.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/no-dynamic-delete': 'off',
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-extraneous-class': 'off',
      // `while (true)` and checks against bad input that types call impossible are wanted at the doors.
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      'no-console': 'error',
      // The type checker knows every environment's globals better.
      'no-undef': 'off',
      // Escape sequences are this project's daily bread.
      'no-control-regex': 'off',
      'max-lines': ['error', { max: 400, skipBlankLines: false, skipComments: false }],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Name what you export.' },
        { selector: 'TSEnumDeclaration', message: 'Use a union of strings or an `as const` object.' },
      ],
      ...restrictedImports('vscode', 'pty', 'bareNode'),
    },
  },
  {
    files: ['src/**/*.ts', 'webview-ui/src/**/*.ts'],
    ignores: tests,
    plugins: { boundaries },
    settings: {
      'boundaries/elements': elements,
      'import/resolver': { node: { extensions: ['.ts', '.js', '.mjs', '.json'] } },
    },
    rules: {
      'boundaries/dependencies': ['error', { default: 'disallow', policies }],
    },
  },
  {
    files: universal,
    ignores: tests,
    rules: {
      ...restrictedImports('vscode', 'pty', 'node', 'bareNode'),
    },
  },
  {
    files: ['src/base/**', 'src/core/**', 'src/protocol/**'],
    ignores: tests,
    rules: {
      // Their type library is a browser worker's; this is the part of it that not every environment has or
      // that would be I/O behind a port's back.
      'no-restricted-globals': [
        'error',
        'fetch',
        'self',
        'postMessage',
        'onmessage',
        'indexedDB',
        'caches',
        'navigator',
        'location',
        'close',
        'importScripts',
        'XMLHttpRequest',
        'WebSocket',
        'EventSource',
        'Worker',
        'Notification',
        'FileReader',
        'name',
        'origin',
        'process',
        'Buffer',
        'require',
        '__dirname',
        '__filename',
      ],
    },
  },
  { files: ['src/vscode/**'], rules: { ...restrictedImports('pty', 'bareNode') } },
  { files: ['src/processHost/**'], rules: { ...restrictedImports('vscode', 'bareNode') } },
  { files: ['src/cli/**', 'scripts/**', '*.mjs', 'test/**'], rules: { 'no-console': 'off' } },
  {
    files: tests,
    rules: {
      ...restrictedImports('bareNode'),
      'max-lines': ['error', { max: 600 }],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off',
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/only-throw-error': 'off',
    },
  },
  {
    // Tool configurations whose tools want a default export; set-up scripts that run without types built.
    files: ['*.mjs', '*.mts', 'scripts/**'],
    rules: {
      'no-restricted-syntax': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
);
