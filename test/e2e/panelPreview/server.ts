import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { themeCss, themes } from './themes.ts';
import type { ThemeName } from './themes.ts';

/** What VS Code puts into every webview before the page's own styles. */
const vscodeCss = `@layer vscode-default {
  html { scrollbar-color: var(--vscode-scrollbarSlider-background) var(--vscode-editor-background); }
  body { margin: 0; padding: 0 20px; background-color: transparent; color: var(--vscode-editor-foreground);
    font-family: var(--vscode-font-family); font-weight: var(--vscode-font-weight); font-size: var(--vscode-font-size); }
}`;

/** Stands for the extension host: keeps what the panel posts, and its state over a reload. */
const fakeHostJs = `
window.posted = [];
window.violations = [];
document.addEventListener('securitypolicyviolation', (e) => window.violations.push(e.violatedDirective + ' ' + (e.blockedURI || '') + ' ' + e.sourceFile + ':' + e.lineNumber + ' ' + e.sample));
setInterval(() => { if (!window.isSilent) window.postMessage({ type: 'beat' }); }, 300);
window.acquireVsCodeApi = () => ({
  postMessage: (message) => window.posted.push(structuredClone(message)),
  getState: () => JSON.parse(sessionStorage.getItem('state') ?? 'null') ?? undefined,
  setState: (state) => sessionStorage.setItem('state', JSON.stringify(state)),
});`;

function page(theme: ThemeName, isMotionReduced: boolean): string {
  const csp =
    "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; script-src 'nonce-preview'";
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta http-equiv="Content-Security-Policy" content="${csp}">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Run panel</title>
  <link rel="stylesheet" href="/vscode.css">
  <link rel="stylesheet" href="/theme-${theme}.css">
  <link rel="stylesheet" href="/codicon.css" id="vscode-codicon-stylesheet">
  <link rel="stylesheet" href="/runPanel.css">
</head>
<body class="${themes[theme].bodyClass} ${isMotionReduced ? 'vscode-reduce-motion' : ''}">
  <div id="root"></div>
  <script nonce="preview" src="/fakeHost.js"></script>
  <script nonce="preview" type="module" src="/runPanel.js"></script>
</body>
</html>`;
}

const types: Record<string, string> = { js: 'text/javascript', css: 'text/css', ttf: 'font/ttf' };

/** Serves a built dist/webview with the content security policy of the real host page. */
export async function servePanel(folder: string): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const name = url.pathname.slice(1);
    const send = (type: string, body: string | Buffer): void => {
      response.writeHead(200, { 'content-type': type }).end(body);
    };
    const theme = (name === '' ? (url.searchParams.get('theme') ?? 'dark') : name.slice(6, -4)) as ThemeName;
    if (name === '') send('text/html', page(theme, url.searchParams.has('still')));
    else if (name === 'vscode.css') send('text/css', vscodeCss);
    else if (name === 'fakeHost.js') send('text/javascript', fakeHostJs);
    else if (name.startsWith('theme-')) send('text/css', themeCss(theme));
    else if (/^[\w.]+$/.test(name)) {
      readFile(join(folder, name)).then(
        (body) => send(types[name.split('.').at(-1) ?? ''] ?? 'text/plain', body),
        () => response.writeHead(404).end(),
      );
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
