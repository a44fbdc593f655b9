import type { HostMessage } from '../../../src/protocol/runPanel.ts';
import { emptyDigest } from '../../../src/protocol/story/digest.ts';
import type { StoryDigest } from '../../../src/protocol/story/digest.ts';
import { foldStory } from '../../../src/protocol/story/foldStory.ts';
import { emptyStory, trimStory } from '../../../src/protocol/story/story.ts';
import type { Story, StoryEntry } from '../../../src/protocol/story/story.ts';

export type StoryMessage = Extract<HostMessage, { type: 'story' }>;

/** What a page holds of a story: a webview has little memory, and the host has all of it. */
const bounds = { entries: 3_000, chars: 8_000_000 };
/** Trimmed not at each entry, but when so much more is there. */
const slack = 500;

/** The part of a run's story that the panel holds: a window of it, folded from the events that the host sends. */
export class StoryStore {
  private story: Story = emptyStory;
  /** Entries that were dropped at the beginning since the last reset. */
  private _dropped = 0;
  private from = 1;
  private _total = 0;
  private _digest: StoryDigest = emptyDigest;
  private end = 0;
  /** Counts resets: what was drawn before one has nothing to do with what is there now. */
  private _generation = 0;

  receive(message: StoryMessage): void {
    if (message.isReset) {
      this.story = emptyStory;
      this._dropped = 0;
      this.from = message.from ?? 1;
      this._generation += 1;
    }
    this.story = foldStory(this.story, message.events);
    this._total = message.total;
    this.end = Math.max(this.end, message.at ?? message.total);
    if (message.isReset) this.end = message.at ?? message.total;
    this._digest = message.digest;
    this.trim();
  }

  clear(): void {
    this.story = emptyStory;
    this._dropped = 0;
    this.from = 1;
    this._total = 0;
    this.end = 0;
    this._digest = emptyDigest;
    this._generation += 1;
  }

  get entries(): readonly StoryEntry[] {
    return this.story.entries;
  }

  /** What was dropped at the beginning, in entries: the number of the first one that is here. */
  get dropped(): number {
    return this._dropped;
  }

  get generation(): number {
    return this._generation;
  }

  /** Events of the run. */
  get total(): number {
    return this._total;
  }

  get digest(): StoryDigest {
    return this._digest;
  }

  /** Ordinal of the first event that is here; 1 where nothing is missing. */
  get firstEvent(): number {
    return this._dropped === 0 ? this.from : (this.story.entries[0]?.first ?? this.from);
  }

  /** Events before those that are here. */
  get earlier(): number {
    return this.firstEvent - 1;
  }

  private trim(): void {
    const { length } = this.story.entries;
    const most = length > bounds.entries + slack ? bounds.entries : length;
    const trimmed = trimStory(this.story, { entries: most, chars: bounds.chars });
    this._dropped += length - trimmed.entries.length;
    this.story = trimmed;
  }
}
