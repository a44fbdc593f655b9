import * as z from 'zod/mini';

/**
 * What a run of a model or a coding agent tells, as people read it: a pure fold of its events (`foldStory`). The panel
 * shows it live and replayed, and transcripts are written from it, so that all of them tell the same.
 */

/** An event of a run as it goes to the panel: only what the fold reads, its long values cut. */
export const storyEvent = z.object({
  /** Which event of the run it is, from 1. */
  ordinal: z.number(),
  /** Of the log: to ask for all of it. */
  sequence: z.number(),
  /** Milliseconds since the epoch. */
  time: z.number(),
  type: z.string(),
  data: z.record(z.string(), z.unknown()),
  /** Something in it is longer than what is here. */
  isCut: z.optional(z.boolean()),
});
export type StoryEvent = z.infer<typeof storyEvent>;

interface EntryFacts {
  /** One of its kind in the story; the same live and replayed. */
  readonly key: string;
  /** Ordinals of the first and the last event that it is made of. */
  readonly first: number;
  readonly last: number;
  /** Of the event that began it. */
  readonly sequence: number;
  readonly startedAt: number;
  readonly endedAt?: number | undefined;
  readonly step: number;
}

/** A step began: a heading. */
export interface StepEntry extends EntryFacts {
  readonly kind: 'step';
  /** What it does, as far as it says so. */
  readonly title: string;
  readonly status: 'running' | 'success' | 'failed' | 'ended';
}

interface SpokenFacts extends EntryFacts {
  /** At most `textEntryLimit` and one delta more; what follows is an entry of its own. */
  readonly text: string;
  /** `void`: the attempt failed, and what it said does not count. */
  readonly state: 'open' | 'done' | 'void';
}

export interface TextEntry extends SpokenFacts {
  readonly kind: 'text';
}

export interface ReasoningEntry extends SpokenFacts {
  readonly kind: 'reasoning';
}

export interface ToolEntry extends EntryFacts {
  readonly kind: 'tool';
  readonly callId: string;
  readonly server: string;
  readonly tool: string;
  /** `ended`: the run ended before it answered. */
  readonly status: 'running' | 'completed' | 'failed' | 'skipped' | 'ended';
  /** JSON, or the text itself. */
  readonly input: string;
  /** What it answered, or why there is no answer. */
  readonly output: string;
  /** Why it was never called: a `ToolRefusal`. */
  readonly reason?: string | undefined;
  /** Of the event with its answer. */
  readonly outputSequence?: number | undefined;
  readonly isInputCut: boolean;
  readonly isOutputCut: boolean;
}

/** What a program of the step has printed, where its terminal is out of reach. */
export interface PrintedEntry extends SpokenFacts {
  readonly kind: 'printed';
}

/** An event of a run backend whose name we do not know. */
export interface ForeignEntry extends EntryFacts {
  readonly kind: 'foreign';
  readonly name: string;
  /** JSON, or the text itself. */
  readonly payload: string;
  readonly isCut: boolean;
}

/** Code that the model has had run. */
export interface CodeEntry extends EntryFacts {
  readonly kind: 'code';
  readonly place: string;
  readonly language: string;
  readonly code: string;
  readonly thoughts: string;
  readonly status: 'running' | 'ok' | 'error' | 'ended';
  readonly output: string;
  readonly error: string;
  readonly returnCode: number | null;
  readonly isCut: boolean;
}

/** What may be called, and what was asked for and cannot be. */
export interface ToolsEntry extends EntryFacts {
  readonly kind: 'tools';
  readonly mode: string;
  readonly effective: readonly { readonly name: string; readonly provider: string }[];
  readonly unavailable: readonly {
    readonly provider: string;
    readonly tool: string | null;
    readonly reason: string;
  }[];
}

export interface NoteEntry extends EntryFacts {
  readonly kind: 'note';
  readonly level: 'info' | 'warning' | 'error';
  readonly text: string;
}

/** How it ended. */
export interface SummaryEntry extends EntryFacts {
  readonly kind: 'summary';
  readonly status: string;
  readonly reason: string;
  readonly error: string;
}

export type StoryEntry =
  | StepEntry
  | TextEntry
  | ReasoningEntry
  | PrintedEntry
  | ForeignEntry
  | ToolEntry
  | CodeEntry
  | ToolsEntry
  | NoteEntry
  | SummaryEntry;

export interface Story {
  readonly entries: readonly StoryEntry[];
  /** Ordinal of the last event that is folded in; 0 before the first. */
  readonly last: number;
  /** Ordinal of the first event since which the model's present attempt speaks; 0 where none does. */
  readonly attemptAt: number;
}

export const emptyStory: Story = { entries: [], last: 0, attemptAt: 0 };

/** After so many characters a text goes on in a new entry, at a paragraph if there is one. */
export const textEntryLimit = 16_384;

/** How much of a story is held: older entries are asked for again. */
export interface StoryBounds {
  readonly entries: number;
  /** Of all its texts. */
  readonly chars: number;
}

/** The story without its oldest entries, so that it is within its bounds; the newest entry always stays. */
export function trimStory(story: Story, { entries: most, chars }: StoryBounds): Story {
  let left = chars;
  let keep = 0;
  for (let index = story.entries.length - 1; index >= 0 && keep < most; index -= 1) {
    const entry = story.entries[index];
    if (entry === undefined) break;
    left -= sizeOf(entry);
    if (left < 0 && keep > 0) break;
    keep += 1;
  }
  return keep === story.entries.length ? story : { ...story, entries: story.entries.slice(-keep) };
}

function sizeOf(entry: StoryEntry): number {
  switch (entry.kind) {
    case 'text':
    case 'reasoning':
    case 'printed':
    case 'note':
      return entry.text.length;
    case 'foreign':
      return entry.name.length + entry.payload.length;
    case 'tool':
      return entry.input.length + entry.output.length;
    case 'code':
      return entry.code.length + entry.output.length + entry.error.length + entry.thoughts.length;
    case 'step':
      return entry.title.length;
    case 'tools':
      return 64 * (entry.effective.length + entry.unavailable.length);
    case 'summary':
      return entry.error.length;
  }
}
