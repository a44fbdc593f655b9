import * as z from 'zod/mini';
import { runChoices, runOptions } from './runOptions.ts';
import { storyDigest } from './story/digest.ts';
import { storyEvent } from './story/story.ts';

/**
 * Messages between the run panel (a webview) and its host. The host owns the truth: it sends a whole snapshot when the
 * panel is ready or comes back from hidden, then deltas. The panel checks nothing but shapes; the host checks all.
 */

const runStatus = z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled', 'timed_out']);
const stepStatus = z.enum(['pending', 'running', 'succeeded', 'failed', 'cancelled', 'timed_out', 'skipped']);

const stepView = z.object({
  /** From 1. */
  index: z.number(),
  command: z.string(),
  status: stepStatus,
  /** Milliseconds since the epoch. */
  startedAt: z.optional(z.number()),
  durationMs: z.optional(z.number()),
  exitCode: z.optional(z.nullable(z.number())),
  terminalId: z.optional(z.string()),
  /** 0 to 1, where whoever does the step tells it. */
  progress: z.optional(z.number()),
  /** Bytes of output so far. */
  outputBytes: z.number(),
});
export type StepView = z.infer<typeof stepView>;

/** Of a run that is an execution of a container task. */
const containerTaskView = z.object({
  taskId: z.string(),
  /** What it runs in or as: an image, or a program of this machine. */
  program: z.string(),
  /** 0 to 100, as last told. */
  progress: z.optional(z.number()),
  /** Its last status. */
  message: z.optional(z.string()),
  errors: z.number(),
  /** Why it failed, where it is not told already. */
  why: z.optional(z.string()),
  /** What its container printed can be opened. */
  hasOutput: z.boolean(),
  /** Which try comes when, while the task waits for it: milliseconds since the epoch. */
  retry: z.optional(z.object({ number: z.number(), at: z.number() })),
  /** A later execution of the same task. */
  newerRunId: z.optional(z.string()),
  /** Its log is with another orchestrator. */
  isLogAway: z.boolean(),
});
export type ContainerTaskView = z.infer<typeof containerTaskView>;

const taskLogEntry = z.object({
  /** Of the event that holds all of it. */
  sequence: z.number(),
  /** Milliseconds since the epoch. */
  time: z.number(),
  kind: z.enum(['status', 'log', 'result', 'error', 'other']),
  level: z.enum(['Info', 'Warn', 'Error']),
  text: z.string(),
  /** What of the contract it is: `OrcaLogEntry` … */
  action: z.string(),
  /** What came with it, as formatted JSON: its beginning where it is long. */
  details: z.optional(z.string()),
  isCut: z.optional(z.boolean()),
  stack: z.optional(z.string()),
});
export type TaskLogEntry = z.infer<typeof taskLogEntry>;

/** Entries that a panel shows; earlier ones are counted. */
export const taskLogLimit = 1_000;

const runView = z.object({
  id: z.string(),
  task: z.string(),
  status: runStatus,
  isAborting: z.boolean(),
  sessionId: z.string(),
  sessionName: z.string(),
  engine: z.string(),
  shell: z.string(),
  cwd: z.string(),
  createdAt: z.number(),
  startedAt: z.optional(z.number()),
  endedAt: z.optional(z.number()),
  steps: z.array(stepView),
  /** How steps are told apart, when it is not by marks: a sentence for the person. */
  notice: z.optional(z.string()),
  /** Why it failed where no step tells. */
  error: z.optional(z.string()),
  containerTask: z.optional(containerTaskView),
  /** It is told by its events (`story`), not by steps with output. */
  hasStory: z.boolean(),
  /** It can be stepped through. */
  canReplay: z.boolean(),
  usage: z.optional(z.object({ inputTokens: z.number(), outputTokens: z.number(), costUsd: z.number() })),
  /** Which tools were asked for, where they were chosen. */
  tools: z.optional(z.object({ providers: z.array(z.string()), tools: z.array(z.string()) })),
});
export type RunView = z.infer<typeof runView>;

const historyEntry = z.object({
  id: z.string(),
  task: z.string(),
  status: runStatus,
  createdAt: z.number(),
  durationMs: z.optional(z.number()),
  sessionName: z.string(),
  engine: z.string(),
});
export type HistoryEntry = z.infer<typeof historyEntry>;

const sessionChoice = z.object({ id: z.string(), name: z.string(), cwd: z.string() });
export type SessionChoice = z.infer<typeof sessionChoice>;

/** Without a word for `silentMs` the panel says that it is cut off. */
export const beatMs = 300;
export const silentMs = 900;

/** Extension host → panel. */
export const hostMessage = z.discriminatedUnion('type', [
  /** Everything, at once. `run` null shows the empty task box. Output of steps follows as `output`. */
  z.object({
    type: z.literal('snapshot'),
    /** The host's clock, so that durations tick right whatever the browser's clock says. */
    now: z.number(),
    run: z.nullable(runView),
    history: z.array(historyEntry),
    sessions: z.array(sessionChoice),
    /** Text for the task box, e.g. from "Run Again". */
    draft: z.optional(z.string()),
    /** The core is starting, or cannot: a sentence, with commands of buttons. */
    banner: z.optional(z.string()),
    /** Why nothing can be run from here now: a sentence. */
    blocked: z.optional(z.string()),
  }),
  /** With `at`, as it was after that event of it, from 1. */
  z.object({ type: z.literal('run'), now: z.number(), run: runView, at: z.optional(z.number()) }),
  /** Events of a run that has a story, in order. */
  z.object({
    type: z.literal('story'),
    events: z.array(storyEvent),
    /** What was shown before is to be dropped. */
    isReset: z.boolean(),
    /** With `isReset`: the ordinal from which on these are all. */
    from: z.optional(z.number()),
    /** How many events the run has. */
    total: z.number(),
    at: z.optional(z.number()),
    digest: storyDigest,
  }),
  /** What the task box offers. */
  z.object({ type: z.literal('options'), options: runOptions }),
  /** The host is alive. Comes every `beatMs` while the panel is visible. */
  z.object({ type: z.literal('beat') }),
  /**
   * Output of one step as text (already decoded; line ends as the terminal sent them). `from` and `to` are absolute
   * offsets; `isReset` means that what was shown of the step before is to be dropped.
   */
  z.object({
    type: z.literal('output'),
    step: z.number(),
    from: z.number(),
    to: z.number(),
    text: z.string(),
    isReset: z.boolean(),
    /** Bytes before `from` that are not shown here (too long for the panel) or no longer kept. */
    omittedBytes: z.number(),
  }),
  /** What a container task has told, in order; at most `taskLogLimit` at once, the newest. */
  z.object({
    type: z.literal('taskLog'),
    entries: z.array(taskLogEntry),
    /** What was shown before is to be dropped. */
    isReset: z.boolean(),
    /** Entries that came before these and were not sent. */
    omitted: z.number(),
  }),
  z.object({ type: z.literal('history'), history: z.array(historyEntry) }),
  z.object({ type: z.literal('sessions'), sessions: z.array(sessionChoice) }),
  /** What the person asked for was refused: shown beside the task box. */
  z.object({
    type: z.literal('problem'),
    message: z.string(),
    field: z.optional(z.enum(['task', 'session', 'tools'])),
  }),
  /** The core went away or came back. */
  z.object({ type: z.literal('connection'), isConnected: z.boolean(), message: z.optional(z.string()) }),
]);
export type HostMessage = z.infer<typeof hostMessage>;

/** Panel → extension host. */
export const panelMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  z.object({
    type: z.literal('run'),
    task: z.string().check(z.maxLength(100_000)),
    sessionId: z.optional(z.string()),
    choices: z.optional(runChoices),
  }),
  z.object({ type: z.literal('abort'), runId: z.string() }),
  z.object({ type: z.literal('retry'), runId: z.string(), fromStep: z.optional(z.number()) }),
  z.object({ type: z.literal('openRun'), runId: z.string() }),
  z.object({ type: z.literal('openTerminal'), terminalId: z.string() }),
  z.object({ type: z.literal('copyOutput'), step: z.number() }),
  /** The person wants a step's whole output, as a read-only document. */
  z.object({ type: z.literal('openOutput'), step: z.number() }),
  /** What came with an entry of a task's log, whole, as a read-only document. */
  z.object({ type: z.literal('openTaskEntry'), sequence: z.number() }),
  /** A step was opened or folded: the host sends output of open steps only. */
  z.object({ type: z.literal('showStep'), step: z.number(), isOpen: z.boolean() }),
  z.object({
    type: z.literal('openFile'),
    path: z.string().check(z.maxLength(4_096)),
    line: z.optional(z.number()),
    column: z.optional(z.number()),
  }),
  /** Show the run as it was after this event, from 1; null: as it is. */
  z.object({ type: z.literal('showAt'), at: z.nullable(z.number()) }),
  /** Show the story from this event on; null: its newest part. */
  z.object({ type: z.literal('showFrom'), from: z.nullable(z.number()) }),
  /** What an event tells, whole, as a read-only document. */
  z.object({ type: z.literal('openEvent'), sequence: z.number() }),
  /** The change to a file that this call of a tool makes, in a diff editor. */
  z.object({ type: z.literal('openDiff'), sequence: z.number() }),
  /** Text that the person wants on the clipboard. */
  z.object({ type: z.literal('copyText'), text: z.string().check(z.maxLength(1_000_000)) }),
  z.object({
    type: z.literal('export'),
    runId: z.string(),
    as: z.enum(['document', 'json', 'html', 'curl']),
  }),
  /** The person wants to sign in to a provider of tools. */
  z.object({ type: z.literal('connect'), provider: z.string().check(z.maxLength(64)) }),
  z.object({ type: z.literal('openLink'), url: z.string().check(z.maxLength(4_096)) }),
]);
export type PanelMessage = z.infer<typeof panelMessage>;
