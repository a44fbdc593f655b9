import { describe, expect, it } from 'vitest';
import { parseTask } from './parseTask.ts';

describe('parseTask', () => {
  it.each<[string, string, string[]]>([
    ['one a line', 'npm ci\nnpm test', ['npm ci', 'npm test']],
    ['line ends of every kind', 'a\r\nb\rc\n', ['a', 'b', 'c']],
    ['blank lines and blanks around', '\n  a  \n\n\t\nb\n', ['a', 'b']],
    ['comments of their own', '# first\na\n  # then\nb # not this', ['a', 'b # not this']],
    ['a shebang', '#!/bin/sh\necho hi', ['echo hi']],
    [
      'a backslash at the end',
      'docker run \\\n  -it \\\n  debian\necho',
      ['docker run \\\n  -it \\\n  debian', 'echo'],
    ],
    ['an escaped backslash at the end', 'echo a\\\\\necho b', ['echo a\\\\', 'echo b']],
    ['a backslash in single quotes', "echo 'a\\'\necho b", ["echo 'a\\'", 'echo b']],
    ['a backslash at the end of a comment', 'echo a # b \\\necho c', ['echo a # b \\', 'echo c']],
    ['an open double quote', 'echo "a\n\n# b"\necho c', ['echo "a\n\n# b"', 'echo c']],
    ['an open single quote', "echo 'a\nb'", ["echo 'a\nb'"]],
    ['an open back quote', 'echo `ls\npwd`', ['echo `ls\npwd`']],
    ['an escaped quote', 'echo \\"a\necho "\\""\nb', ['echo \\"a', 'echo "\\""', 'b']],
    ["a $'' quote with an escaped quote", "echo $'a\\'\nb'\nc", ["echo $'a\\'\nb'", 'c']],
    ['an apostrophe in a comment', "ls # it's\npwd", ["ls # it's", 'pwd']],
    ['a hash inside a word', "echo a#b'\n' c", ["echo a#b'\n' c"]],
    ['a parameter with a hash', 'echo ${#a} $# it\necho', ['echo ${#a} $# it', 'echo']],
    ['a here-document', 'cat <<EOF\n# a\n\n  EOF\nEOF\necho b', ['cat <<EOF\n# a\n\n  EOF\nEOF', 'echo b']],
    ['a quoted delimiter', "cat <<'E O' >x\n$a\nE O\nb", ["cat <<'E O' >x\n$a\nE O", 'b']],
    ['a here-document with tabs', 'cat <<-END\n\ta\n\t\tEND\nb', ['cat <<-END\n\ta\n\t\tEND', 'b']],
    [
      'two here-documents',
      'paste <(cat <<A) <(cat <<B)\n1\nA\n2\nB\nc',
      ['paste <(cat <<A) <(cat <<B)\n1\nA\n2\nB', 'c'],
    ],
    ['quotes in a here-document', 'cat <<E\nit\'s "\nE\nb', ['cat <<E\nit\'s "\nE', 'b']],
    ['a here-document and an open quote', 'cat <<E "\nE\n"\nE\nb', ['cat <<E "\nE\n"', 'E', 'b']],
    ['a here-string', 'cat <<<EOF\nb', ['cat <<<EOF', 'b']],
    ['a shift', 'echo $((1<<x))\nb', ['echo $((1<<x))', 'b']],
    ['a here-document in quotes', 'echo "<<E"\nb', ['echo "<<E"', 'b']],
    ['a pipe at the end', 'ls |\n# why\n\n  wc -l\nb', ['ls |\n  wc -l', 'b']],
    ['and, or at the end', 'a &&\nb ||\nc\nd', ['a &&\nb ||\nc', 'd']],
    ['a background job', 'a &\nb', ['a &', 'b']],
    ['nothing', ' \n\n# a\n', []],
  ])('takes %s', (_name, task, commands) => {
    expect(parseTask(task)).toEqual({ commands });
  });

  it.each<[string, number, RegExp]>([
    ["a\necho it's\nb", 2, /opens a quote \('\)/],
    ['echo "a', 1, /opens a quote \("\)/],
    ['a\nb\ncat <<EOF\nx', 3, /here-document.*"EOF"/],
    ['a\nb \\', 2, /backslash/],
    ['a\nb &&\n\n', 2, /ends with &&/],
    ['a |', 1, /ends with \|/],
  ])('says what %j leaves open', (task, line, what) => {
    const { unfinished } = parseTask(task);
    expect(unfinished?.line).toBe(line);
    expect(unfinished?.what).toMatch(what);
  });
});
