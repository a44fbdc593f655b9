/** What is big and rarely needed: a bundle of its own, loaded with the first server that is asked. */
export { auth, Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
