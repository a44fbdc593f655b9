import { describe, expect, it } from 'vitest';
import { TabTitle } from './tabTitle.ts';

describe('the title of a tab', () => {
  it('is told only when it changes', () => {
    const title = new TabTitle('bash');
    expect(title.give('bash')).toBe(false);
    expect(title.give('vim')).toBe(true);
    expect(title.give('vim')).toBe(false);
  });

  it('is not taken for a person’s while what we gave is on its way', () => {
    const title = new TabTitle('bash');
    expect(title.isRenamedTo('bash')).toBe(false);
    title.give('vim');
    title.give('less');
    expect(title.isRenamedTo('bash')).toBe(false);
    expect(title.isRenamedTo('vim')).toBe(false);
    expect(title.isRenamedTo('less')).toBe(false);
    // Titles in between may never be seen.
    title.give('make');
    title.give('bash');
    expect(title.isRenamedTo('bash')).toBe(false);
  });

  it('is a person’s when nobody gave it, even one that was given long ago', () => {
    const title = new TabTitle('bash');
    title.isRenamedTo('bash');
    expect(title.isRenamedTo('server')).toBe(true);
    expect(title.current).toBe('server');
    expect(title.isRenamedTo('server')).toBe(false);
    expect(title.give('server')).toBe(false);
    expect(title.isRenamedTo('bash')).toBe(true);
  });

  it('is late while the tab shows what came before', () => {
    const title = new TabTitle('terminal');
    expect(title.isLate).toBe(false);
    title.give('bash');
    title.isRenamedTo('terminal');
    expect(title.isLate).toBe(true);
    title.isRenamedTo('bash');
    expect(title.isLate).toBe(false);
    title.isRenamedTo('server');
    expect(title.isLate).toBe(false);
  });
});
