import type { StreamChunk, StreamFrameBody } from '../../../protocol/daemon/frames.ts';
import type { OutputPiece } from './outputText.ts';
import type { Audience } from './subscription.ts';

/**
 * The frames of one event, by `part`, before anything is read for them. How many there are, whom they are for and what
 * stands in them depends on the log alone: resuming in their midst relies on it.
 */
export interface EventPlan {
  readonly sequence: number;
  readonly parts: readonly PlannedPart[];
}

export type PlannedPart = { readonly audience: Audience } & (
  | { readonly kind: 'frame'; readonly body: () => StreamFrameBody | undefined }
  | { readonly kind: 'output'; readonly piece: OutputPiece; readonly chunk: Omit<StreamChunk, 'chunk'> }
  /** The end of a task, with the end of what it printed. */
  | {
      readonly kind: 'result';
      readonly tail: OutputPiece | undefined;
      readonly body: (output: string) => StreamFrameBody;
    }
);
