/** What is big and rarely needed: a bundle of its own, loaded with the first client that speaks MCP. */
export * from '@modelcontextprotocol/server';
export { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
