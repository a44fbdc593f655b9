import { messageOf, progressOf, resultOf, type CallbackResult } from './callback.ts';

/** What the callbacks of one execution amount to: folded into its run, so that lists need not read the log. */
export interface TaskReport {
  /** 0 to 100, as last told. */
  readonly progress?: number | undefined;
  /** The last status. */
  readonly message?: string | undefined;
  /** Callbacks that were taken. */
  readonly callbacks: number;
  /** `task_error` and log entries of level error. */
  readonly errors: number;
  /** Its data stands in the event, and in the run's result. */
  readonly result?: CallbackResult | undefined;
  /** What its program ended with that the exit code does not say. */
  readonly endMessage?: string | undefined;
  /** The worker waits for its container, or has it. */
  readonly isContainerWanted?: boolean | undefined;
  readonly containerId?: string | undefined;
  /** `host:port` on which the container's own port answers. */
  readonly podAddress?: string | undefined;
}

export const emptyTaskReport: TaskReport = { callbacks: 0, errors: 0 };

type Data = Readonly<Record<string, unknown>>;

/** The report after one more event of the run; the same object where the event says nothing to it. Pure. */
export function reduceTaskReport(
  report: TaskReport | undefined,
  type: string,
  data: Data,
): TaskReport | undefined {
  switch (type) {
    case 'container_task.callback':
      return reduceCallback(report ?? emptyTaskReport, data);
    case 'container_task.container_wanted':
      return { ...(report ?? emptyTaskReport), isContainerWanted: true };
    case 'container_task.container': {
      const { container_id: id, pod_address: address } = data;
      return {
        ...(report ?? emptyTaskReport),
        containerId: typeof id === 'string' ? id : undefined,
        podAddress: typeof address === 'string' ? address : undefined,
      };
    }
    case 'container_task.program_ended': {
      const { message } = data;
      if (typeof message !== 'string') return report;
      return { ...(report ?? emptyTaskReport), endMessage: message };
    }
    default:
      return report;
  }
}

function reduceCallback(before: TaskReport, data: Data): TaskReport {
  const { payload, event_type: eventType, level } = data;
  const content = isRecord(payload) ? payload : {};
  const report: TaskReport = {
    ...before,
    callbacks: before.callbacks + 1,
    errors: before.errors + (level === 'Error' && eventType !== 'task_result' ? 1 : 0),
  };
  switch (eventType) {
    case 'status_update':
      return {
        ...report,
        message: messageOf(content),
        // A status without a number leaves the bar where it stands.
        progress: progressOf(content) ?? report.progress,
      };
    case 'task_result':
      return { ...report, result: report.result ?? resultOf(content) };
    default:
      return report;
  }
}

function isRecord(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
