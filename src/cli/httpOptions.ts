import type { Command } from 'commander';

/** The flags of the door for HTTP and WebSockets; what they mean is in httpFlags.ts. */
export function addHttpOptions(command: Command): void {
  command
    .option(
      '--http [host:port]',
      'where to listen for HTTP and WebSockets (default: 127.0.0.1:8787, or the next free port)',
    )
    .option('--no-http', 'do not listen for them')
    .option(
      '--http-tls-cert <file>',
      'certificate for HTTP, PEM; without it only loopback addresses are served',
    )
    .option('--http-tls-key <file>', 'its key, PEM')
    .option('--http-allowed-host <name...>', 'further names by which clients call it')
    .option('--http-allowed-origin <origin...>', 'web pages that may use it, such as http://localhost:3000')
    .option('--http-allow-query-token', 'take tokens in ?token= too, where logs and histories show them')
    .option('--http-jwt-secret <file>', 'take JWTs signed with HS256 and the secret in this file')
    .option('--http-jwt-key <file>', 'take JWTs signed for this public key: PEM, JWK or JWKS')
    .option('--http-jwt-issuer <text>', 'who issues them (default: wundr-orchestrator)')
    .option('--http-jwt-audience <text>', 'for whom they are (default: wundr-daemon)');
}
