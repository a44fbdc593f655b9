// The bundler turns stylesheet imports into dist/webview/runPanel.css.
declare module '*.css';
