import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod/mini';
import { writeFileAtomically } from './writeFile.ts';

/**
 * `window.json`: which terminals and run panels the window showed, in order. It lies in the state directory and not in
 * VS Code's workspace storage, because in the web that one belongs to the browser.
 */
const openTerminal = z.object({
  id: z.string().check(z.maxLength(64)),
  /** The tab's name when it was made: how a dead tab of the extension host before us is recognised. */
  name: z.optional(z.string()),
  /** The tab's last title. */
  title: z.string(),
  place: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('panel') }),
    z.object({ kind: z.literal('editor'), column: z.number() }),
    /** Beside an earlier one of this list. */
    z.object({ kind: z.literal('split'), besideId: z.string() }),
  ]),
  isActive: z.boolean(),
});
export type OpenTerminal = z.infer<typeof openTerminal>;

const openRunPanel = z.object({
  /** Missing for an empty task box. */
  runId: z.optional(z.string().check(z.maxLength(64))),
  column: z.number(),
  isActive: z.boolean(),
});
export type OpenRunPanel = z.infer<typeof openRunPanel>;

const windowFile = z.object({
  version: z.literal(1),
  /** VS Code's id of the window's session: the same one means that only the extension host is a new one. */
  sessionId: z.string(),
  terminals: z.array(openTerminal).check(z.maxLength(500)),
  runPanels: z.array(openRunPanel).check(z.maxLength(500)),
});
export type WindowLayout = Omit<z.infer<typeof windowFile>, 'version'>;

const fileName = 'window.json';

/** Undefined when there is none, or none that can be read: a lost layout must not keep anything from starting. */
export async function readWindowLayout(stateDir: string): Promise<WindowLayout | undefined> {
  try {
    const parsed = windowFile.safeParse(JSON.parse(await readFile(join(stateDir, fileName), 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** Writes only what changed, one write at a time, the latest layout last. */
export class WindowLayoutWriter {
  private readonly stateDir: string;
  private readonly onError: (error: unknown) => void;
  private written: string | undefined;
  private wanted: string | undefined;
  private writing: Promise<void> = Promise.resolve();
  private isWriting = false;

  constructor(stateDir: string, onError: (error: unknown) => void) {
    this.stateDir = stateDir;
    this.onError = onError;
  }

  write(layout: WindowLayout): void {
    this.wanted = `${JSON.stringify({ version: 1, ...layout })}\n`;
    if (!this.isWriting) this.writing = this.run();
  }

  /** Settles when the last layout is on the disk. */
  async flush(): Promise<void> {
    await this.writing;
  }

  private async run(): Promise<void> {
    this.isWriting = true;
    try {
      while (this.wanted !== undefined && this.wanted !== this.written) {
        const text = this.wanted;
        await writeFileAtomically(join(this.stateDir, fileName), text);
        this.written = text;
      }
    } catch (error) {
      this.onError(error);
    } finally {
      this.isWriting = false;
    }
  }
}
