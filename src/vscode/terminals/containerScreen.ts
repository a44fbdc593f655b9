import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';
import { splitText } from './outputPump.ts';

/** VS Code gathers what an extension terminal writes for 5 ms before it sends it to the window. */
const editorBufferMs = 6;
/** Characters of one write. */
const writeLimit = 64 * 1024;
/** Characters between two waits for the window. */
const settleEvery = 128 * 1024;

const escape = '\u001b';

/** What the tabs of containers have in common: writing no faster than the window draws, and staying to be read. */
export class ContainerScreen {
  private readonly writeEmitter = new vscode.EventEmitter<string>();
  private readonly closeEmitter = new vscode.EventEmitter<void | number>();
  private readonly reachWindow: () => Promise<void>;
  private unsettled = 0;
  private isWaitingForKey = false;
  private _isClosed = false;

  readonly onDidWrite = this.writeEmitter.event;
  readonly onDidClose = this.closeEmitter.event;

  constructor(reachWindow: () => Promise<void>) {
    this.reachWindow = reachWindow;
  }

  get isClosed(): boolean {
    return this._isClosed;
  }

  /** Resolves when the window can take more: VS Code itself gives terminals of extensions no flow control. */
  async write(text: string): Promise<void> {
    if (this._isClosed || text === '') return;
    for (const piece of splitText(text, writeLimit)) this.writeEmitter.fire(piece);
    this.unsettled += text.length;
    if (this.unsettled < settleEvery) return;
    this.unsettled = 0;
    await delay(editorBufferMs);
    await this.reachWindow();
  }

  /** A line of ours, told from what the container prints by its letters: dimmed ones are lost in high contrast. */
  note(text: string): void {
    if (!this._isClosed) this.writeEmitter.fire(`\r\n${escape}[0;3m[${text}]${escape}[0m\r\n`);
  }

  /** There is nothing more to come, and what there is can be read until a key is pressed. */
  stayForReading(text: string): void {
    this.note(`${text} Press any key to close this tab.`);
    this.isWaitingForKey = true;
  }

  /** Whether the key was for us: answers of the terminal itself, which begin with an escape, are no keys. */
  takeKey(data: string): boolean {
    if (!this.isWaitingForKey || data.startsWith(escape)) return this.isWaitingForKey;
    this.end();
    return true;
  }

  /** Closes the tab. */
  end(): void {
    if (!this._isClosed) this.closeEmitter.fire();
  }

  dispose(): void {
    this._isClosed = true;
    this.writeEmitter.dispose();
    this.closeEmitter.dispose();
  }
}
