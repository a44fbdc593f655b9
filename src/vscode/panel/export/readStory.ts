import { OrchestratorError } from '../../../base/errors.ts';
import type { OrchestratorEvent } from '../../../core/events/event.ts';
import type { LiveOrchestrator } from '../../../core/liveOrchestrator.ts';
import { foldStory } from '../../../protocol/story/foldStory.ts';
import { emptyStory } from '../../../protocol/story/story.ts';
import type { Story, StoryEvent } from '../../../protocol/story/story.ts';

const pageSize = 500;

/** All events of a run, oldest first. Error: `failed_precondition` where the log is with another orchestrator. */
export async function* readRunEvents(
  { events }: Pick<LiveOrchestrator, 'events'>,
  runId: string,
): AsyncGenerator<OrchestratorEvent[], void, undefined> {
  const read = events.read?.bind(events);
  if (read === undefined) {
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'invalid_request',
      'The events of this run are with its orchestrator. Export it in a window that serves it.',
    );
  }
  for (let after = 0; ; ) {
    const page = read({ after, limit: pageSize, runId });
    if (page.length > 0) yield page;
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return;
    after = last.sequence;
    // A long log must not keep the editor waiting.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A run's whole story: nothing of it is cut. */
export async function readRunStory(
  orchestrator: Pick<LiveOrchestrator, 'events'>,
  runId: string,
): Promise<Story> {
  let story = emptyStory;
  let ordinal = 0;
  for await (const page of readRunEvents(orchestrator, runId)) {
    const events = page.map(({ sequence, time, type, data }): StoryEvent => {
      ordinal += 1;
      return { ordinal, sequence, time, type, data };
    });
    story = foldStory(story, events);
  }
  return story;
}
