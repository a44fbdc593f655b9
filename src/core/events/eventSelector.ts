import { hasLabels } from '../labels.ts';
import type { OrchestratorEvent, Priority } from './event.ts';

export const defaultSource = 'orchestrator';

/** Which events a subscriber wants: all that is given must match; nothing given wants all. */
export interface EventSelector {
  /** One of these. */
  readonly types?: readonly string[] | undefined;
  readonly source?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly runId?: string | undefined;
  readonly terminalId?: string | undefined;
  readonly containerId?: string | undefined;
  readonly agentId?: string | undefined;
  readonly taskId?: string | undefined;
  readonly priority?: Priority | undefined;
  /** Every pair must match. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds since the epoch, both inclusive. */
  readonly startTime?: number | undefined;
  readonly endTime?: number | undefined;
}

const ids = ['sessionId', 'runId', 'terminalId', 'containerId', 'agentId', 'taskId'] as const;

export function matchesEvent(event: OrchestratorEvent, selector: EventSelector): boolean {
  const { types, source, priority, labels, startTime, endTime } = selector;
  return (
    (types === undefined || types.includes(event.type)) &&
    (source === undefined || (event.source ?? defaultSource) === source) &&
    ids.every((id) => selector[id] === undefined || event[id] === selector[id]) &&
    (priority === undefined || (event.priority ?? 'normal') === priority) &&
    (startTime === undefined || event.time >= startTime) &&
    (endTime === undefined || event.time <= endTime) &&
    hasLabels(event.labels, labels)
  );
}
