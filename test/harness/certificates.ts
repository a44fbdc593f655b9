// Certificates for an engine that is reached over TLS, made by openssl.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Makes an authority in the folder, `ca.pem`, and of it a server's certificate for loopback, `server.pem` with
 * `server-key.pem`, and a client's as `docker` wants it, `cert.pem` with `key.pem`.
 */
export function makeCertificates(folder: string): void {
  const at = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', at('ca-key.pem'), '-out', at('ca.pem'), '-subj', '/CN=tests');
  const issue = (keyFile: string, file: string, extensions: string): void => {
    writeFileSync(at('extensions'), extensions);
    openssl(
      'req',
      ...key,
      '-keyout',
      at(keyFile),
      '-out',
      at('request'),
      '-subj',
      '/CN=tests of the workbench',
    );
    const authority = ['-CA', at('ca.pem'), '-CAkey', at('ca-key.pem'), '-CAcreateserial'];
    openssl(
      'x509',
      '-req',
      '-in',
      at('request'),
      ...authority,
      '-out',
      at(file),
      '-extfile',
      at('extensions'),
    );
  };
  issue(
    'server-key.pem',
    'server.pem',
    'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n',
  );
  issue('key.pem', 'cert.pem', 'extendedKeyUsage=clientAuth\n');
}
