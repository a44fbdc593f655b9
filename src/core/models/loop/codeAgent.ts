import { byteLength, cut, pieceBytes } from '../../../base/clip.ts';
import { codeBudget } from '../../runs/modelRunSpec.ts';
import type { RunTeller } from '../../runs/runTeller.ts';
import { abortable } from './abortable.ts';
import { codePieceOf, type CodeOutcome, type CodeRunner } from './codeTool.ts';

export interface CodeResult {
  /** For the model. */
  readonly text: string;
  readonly hasFailed: boolean;
}

/** The pieces of code that a run executes, as contract 004 tells of them: a session of its code agent, with a budget. */
export class CodeAgent {
  private readonly task: string;
  private readonly runner: CodeRunner;
  private readonly teller: RunTeller;
  private executed = 0;
  private hasFailedLast = false;

  constructor(task: string, runner: CodeRunner, teller: RunTeller) {
    this.task = task;
    this.runner = runner;
    this.teller = teller;
  }

  /** Error: `aborted` by the signal; all else is in the answer. */
  async execute(input: unknown, thoughts: string, signal: AbortSignal): Promise<CodeResult> {
    const piece = codePieceOf(input);
    if (piece === undefined) {
      return {
        text: 'Give "language" (bash, python or javascript) and "code". Nothing was run.',
        hasFailed: true,
      };
    }
    if (this.executed >= codeBudget) {
      const text = `All ${codeBudget} pieces of code that the task may run have been run. Nothing was run.`;
      return { text, hasFailed: true };
    }
    const { teller } = this;
    const { place } = this.runner;
    if (this.executed === 0) {
      teller.tell('code_agent.session.started', { task: this.task, budget: codeBudget, place });
    }
    this.executed += 1;
    const step = this.executed;
    teller.tell('code_agent.step.started', { step, budget_remaining: codeBudget - step });
    const code = cut(piece.code, pieceBytes);
    const plan = cut(thoughts, pieceBytes / 16);
    teller.tell('code_agent.step.response', { step, action: code, thoughts: plan }, byteLength(code));
    const outcome = await abortable(this.runner.run(piece, signal), signal);
    const status = outcome.exitCode === 0 ? 'ok' : 'error';
    this.hasFailedLast = status === 'error';
    const output = cut(outcome.output, pieceBytes);
    teller.keep(byteLength(output));
    teller.tell(
      'code_agent.step.execution',
      {
        step,
        code_type: piece.language,
        code,
        status,
        output,
        error: outcome.error,
        message: messageOf(outcome),
        return_code: outcome.exitCode,
      },
      byteLength(output) + byteLength(code),
    );
    teller.tell('code_agent.step.completed', { step, status, thoughts: plan });
    return { text: `${messageOf(outcome)}\n${output}`, hasFailed: status === 'error' };
  }

  /** The run is over. */
  end(hasSucceeded: boolean): void {
    const { executed } = this;
    if (executed === 0) return;
    const reason = hasSucceeded ? 'DONE' : executed >= codeBudget ? 'BUDGET_EXHAUSTED' : 'FAIL';
    this.teller.tell('code_agent.session.completed', {
      completion_reason: reason,
      steps_executed: executed,
      budget: codeBudget,
      summary: `${executed} of at most ${codeBudget} pieces of code were run; the last one ${this.hasFailedLast ? 'failed' : 'succeeded'}.`,
    });
  }
}

function messageOf({ exitCode, error }: CodeOutcome): string {
  return exitCode === null ? error : `It ended with exit code ${exitCode}.`;
}
