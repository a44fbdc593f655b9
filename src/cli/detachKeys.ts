const controlBackslash = 0x1c;
const d = 0x64;

/**
 * Finds Ctrl-\ followed by `d` in what a person types. A second Ctrl-\ stands for itself, so every key can still be
 * sent to the program.
 */
export class DetachKeys {
  private hasPrefix = false;

  /** @returns what is to go to the program, and whether the person wants to leave; nothing behind that is sent. */
  push(bytes: Uint8Array): { readonly input: Uint8Array; readonly isDetach: boolean } {
    const input: number[] = [];
    for (const byte of bytes) {
      if (!this.hasPrefix) {
        if (byte === controlBackslash) this.hasPrefix = true;
        else input.push(byte);
        continue;
      }
      this.hasPrefix = false;
      if (byte === d) return { input: Uint8Array.from(input), isDetach: true };
      input.push(controlBackslash);
      if (byte !== controlBackslash) input.push(byte);
    }
    return { input: Uint8Array.from(input), isDetach: false };
  }
}
