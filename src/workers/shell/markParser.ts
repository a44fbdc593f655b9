import { checkNonce, Osc133Parser } from '../../core/terminals/osc133.ts';

/**
 * Finds the marks that the driver script (shellDriver.ts) prints around each step, in a terminal's byte stream.
 *
 * A mark is an OSC 133 sequence of the shell-integration family: `ESC ] 133 ; C ; aid=<nonce> ; step=<n>` before a
 * step's output and `ESC ] 133 ; D ; <exit code> ; aid=<nonce> ; step=<n>` after it, ended by BEL or ST; the last one
 * has `; exit` behind it, which tells that the shell itself ends. What does not carry the run's nonce is output like
 * any other: a program that prints `ESC ] 133 ; D ; 0 BEL` cannot end its step.
 */
export type Mark =
  | { readonly kind: 'start'; readonly step: number; readonly from: number; readonly to: number }
  | {
      readonly kind: 'end';
      readonly step: number;
      readonly exitCode: number;
      /** The shell ends too. */
      readonly isExit: boolean;
      readonly from: number;
      readonly to: number;
    };

export class MarkParser extends Osc133Parser<Mark> {
  /**
   * @param nonce the run's own: letters and digits.
   * @param offset where the stream begins, in absolute bytes of the terminal's record.
   */
  constructor(nonce: string, offset = 0) {
    const pattern = new RegExp(`^(?:C|D;(\\d{1,9}));aid=${checkNonce(nonce)};step=(\\d{1,9})(;exit)?$`);
    super((body, from, to) => {
      const match = pattern.exec(body);
      if (match === null) return undefined;
      const step = Number(match[2]);
      return match[1] === undefined
        ? { kind: 'start', step, from, to }
        : { kind: 'end', step, exitCode: Number(match[1]), isExit: match[3] !== undefined, from, to };
    }, offset);
  }
}
