import { orchestratePayload } from '../../../clients/runStream/orchestratePayload.ts';
import type { RunRequest } from '../../../core/runs/run.ts';

/** Where the daemon listens unless it is told otherwise. */
const usualAddress = 'http://127.0.0.1:8787';

/**
 * The request that would start this run at `/orchestrate/stream`, as a line for a shell. The token is named, never
 * written: whoever runs the line has it in `ORCHESTRATOR_TOKEN`.
 */
export function curlCommand(request: RunRequest, address: string | undefined): string {
  return [
    `curl -N -X POST ${quoted(`${address ?? usualAddress}/orchestrate/stream`)}`,
    `-H 'Content-Type: application/json'`,
    `-H 'Accept: text/event-stream'`,
    `-H "Authorization: Bearer $ORCHESTRATOR_TOKEN"`,
    `-d ${quoted(JSON.stringify(orchestratePayload(request)))}`,
  ].join(' \\\n  ');
}

/** As one word of a POSIX shell, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
