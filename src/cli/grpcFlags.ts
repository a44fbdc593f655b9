import { join, resolve } from 'node:path';
import { invalidRequest } from '../core/text.ts';
import { grpcSocketPath } from '../processHost/paths.ts';
import { ensureTokenFile } from '../servers/access/tokenFile.ts';
import type { GrpcLimits, TcpOptions } from '../servers/grpc/grpcServer.ts';
import { addressOf } from './address.ts';
import { parseDuration } from './output/format.ts';
import { readTls } from './tlsFiles.ts';

/** As they are typed; each of the first five has a variable of its name (`GRPC_SOCKET_PATH` …) that it goes before. */
export interface GrpcFlags {
  readonly grpc?: boolean;
  readonly grpcSocketPath?: string;
  readonly grpcMaxRecvMsgSize?: string;
  readonly grpcMaxSendMsgSize?: string;
  readonly grpcTimeout?: string;
  readonly grpcMaxConnections?: string;
  readonly grpcTcpListenAddr?: string;
  readonly grpcTlsCert?: string;
  readonly grpcTlsKey?: string;
}

export interface GrpcSettings {
  readonly socketPath: string;
  readonly tcp: TcpOptions | undefined;
  readonly limits: Partial<GrpcLimits>;
  /** Where clients over TCP find their token. */
  readonly tokenFile: string | undefined;
}

/** What the flags and variables say; undefined where the door stays closed. Error: `invalid_request`. */
export function grpcSettings(
  flags: GrpcFlags,
  stateDir: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): GrpcSettings | undefined {
  if (flags.grpc === false) return undefined;
  const value = (flag: string | undefined, variable: string): string | undefined => {
    const chosen = flag ?? env[variable];
    return chosen === '' && flag === undefined ? undefined : chosen;
  };
  const path = value(flags.grpcSocketPath, 'GRPC_SOCKET_PATH');
  if (path === '') throw invalidRequest('grpc socket path cannot be empty');
  const limits: Partial<GrpcLimits> = {
    ...positive(
      'maxReceiveBytes',
      value(flags.grpcMaxRecvMsgSize, 'GRPC_MAX_RECV_MSG_SIZE'),
      '--grpc-max-recv-msg-size',
    ),
    ...positive(
      'maxSendBytes',
      value(flags.grpcMaxSendMsgSize, 'GRPC_MAX_SEND_MSG_SIZE'),
      '--grpc-max-send-msg-size',
    ),
    ...positive(
      'maxConnections',
      value(flags.grpcMaxConnections, 'GRPC_MAX_CONNECTIONS'),
      '--grpc-max-connections',
    ),
    ...timeout(value(flags.grpcTimeout, 'GRPC_TIMEOUT')),
  };
  const tokenFile = flags.grpcTcpListenAddr === undefined ? undefined : join(stateDir, 'grpc-token');
  return {
    socketPath: path === undefined ? grpcSocketPath(stateDir) : resolve(path),
    limits,
    tokenFile,
    tcp:
      flags.grpcTcpListenAddr === undefined || tokenFile === undefined
        ? undefined
        : {
            ...addressOf(flags.grpcTcpListenAddr, '--grpc-tcp-listen-addr'),
            token: ensureTokenFile(tokenFile),
            tls: readTls('--grpc-tls', flags.grpcTlsCert, flags.grpcTlsKey),
          },
  };
}

/** As in the seed, what is not positive stands for the default. */
function positive<K extends keyof GrpcLimits>(
  key: K,
  text: string | undefined,
  flag: string,
): Partial<GrpcLimits> {
  if (text === undefined) return {};
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw invalidRequest(`${flag} is a whole number, not "${text}".`);
  return number > 0 ? { [key]: number } : {};
}

function timeout(text: string | undefined): Partial<GrpcLimits> {
  if (text === undefined) return {};
  const ms = parseDuration(text);
  if (ms === undefined) throw invalidRequest(`--grpc-timeout is a time such as 30s, not "${text}".`);
  return ms > 0 ? { connectionTimeoutMs: ms } : {};
}
