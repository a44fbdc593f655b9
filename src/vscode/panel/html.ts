import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';

/** Where everything that the panel may load lies. */
export function webviewRoot(extensionUri: vscode.Uri): vscode.Uri {
  return vscode.Uri.joinPath(extensionUri, 'dist', 'webview');
}

export interface WebviewPage {
  /** Of its script and its stylesheet in the root. */
  readonly name: string;
  readonly title: string;
}

/** A page of ours: it may run its one script and load our styles and fonts, and nothing else. */
export function webviewHtml(
  webview: vscode.Webview,
  extensionUri: vscode.Uri,
  { name, title }: WebviewPage,
): string {
  const nonce = randomBytes(16).toString('base64url');
  const uri = (file: string): string =>
    webview.asWebviewUri(vscode.Uri.joinPath(webviewRoot(extensionUri), file)).toString();
  const policy = [
    `default-src 'none'`,
    `script-src 'nonce-${nonce}'`,
    `style-src ${webview.cspSource}`,
    `font-src ${webview.cspSource}`,
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta http-equiv="Content-Security-Policy" content="${policy}">
  <link rel="stylesheet" id="vscode-codicon-stylesheet" href="${uri('codicon.css')}">
  <link rel="stylesheet" href="${uri(`${name}.css`)}">
  <title>${title}</title>
</head>
<body>
  <div id="root"></div>
  <script type="module" nonce="${nonce}" src="${uri(`${name}.js`)}"></script>
</body>
</html>`;
}
