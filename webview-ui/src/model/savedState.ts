import * as z from 'zod/mini';
import { runChoices } from '../../../src/protocol/runOptions.ts';

/**
 * What survives a reload of the window. The host's serializer reads `runId`; the rest is the panel's own. The
 * person's place in the output is kept, the output itself comes again from the host.
 */
const savedState = z.object({
  runId: z.optional(z.string()),
  overrides: z.optional(z.array(z.tuple([z.number(), z.boolean()]))),
  scrollTop: z.optional(z.number()),
  isTailing: z.optional(z.boolean()),
  draft: z.optional(z.string()),
  sessionId: z.optional(z.string()),
  isHistoryOpen: z.optional(z.boolean()),
  choices: z.optional(runChoices),
  tools: z.optional(z.object({ mode: z.enum(['auto', 'custom']), tools: z.array(z.string()) })),
});
export type SavedState = z.infer<typeof savedState>;

/** Old or foreign state is no error: the panel starts afresh. */
export function readSavedState(value: unknown): SavedState {
  const parsed = savedState.safeParse(value);
  return parsed.success ? parsed.data : {};
}
