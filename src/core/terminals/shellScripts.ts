import type { ShellFile } from '../ports/shellFiles.ts';

/**
 * Start-up files for interactive shells. Each reads the person's own files first, as the shell would have, and then
 * prints OSC 133 marks: A before a prompt, B after it, C before a command's output, `D;<status>` after it. A, C and D
 * carry `aid=<nonce>`; what does not is output.
 *
 * The nonce comes in an environment variable that is unset before anything of the person's runs, so no child inherits
 * it: it lives in a variable of the shell that is not exported. Prompts name that variable and never hold its value,
 * because some people export their prompt.
 */

const takeNonce = `__ow_nonce=$ORCHESTRATOR_SHELL_NONCE
unset ORCHESTRATOR_SHELL_NONCE`;

/** Given to bash by --rcfile. A login shell does not read that, so one is imitated. */
const bash = `${takeNonce}
export -n __ow_nonce
__ow_dir=\${BASH_SOURCE[0]%/*}
if [ -n "\${ORCHESTRATOR_SHELL_LOGIN-}" ]; then
  unset ORCHESTRATOR_SHELL_LOGIN
  [ -r /etc/profile ] && . /etc/profile
  if [ -r ~/.bash_profile ]; then . ~/.bash_profile
  elif [ -r ~/.bash_login ]; then . ~/.bash_login
  elif [ -r ~/.profile ]; then . ~/.profile
  fi
else
  [ -r ~/.bashrc ] && . ~/.bashrc
fi
. "$__ow_dir/bash-hooks.sh"
`;

/**
 * PROMPT_COMMAND runs ours first, to see the status, and then the person's, each with that status. PS0 is printed when
 * a command was read, before it runs (bash 4.4; an older one has no C mark). B is put into PS1 last, because themes
 * set it anew each time.
 */
const bashHooks = `__ow_user_prompt=("\${PROMPT_COMMAND[@]}")
unset PROMPT_COMMAND
__ow_return() { return "$1"; }
__ow_prompt() {
  local status=$? command
  builtin printf '\\e]133;D;%s;aid=%s\\a' "$status" "$__ow_nonce" >/dev/tty
  for command in "\${__ow_user_prompt[@]}"; do
    __ow_return "$status"
    builtin eval "$command"
  done
  builtin printf '\\e]133;A;aid=%s\\a' "$__ow_nonce" >/dev/tty
  [[ $PS1 == *'133;B'* ]] || PS1=$PS1'\\[\\e]133;B\\a\\]'
  return "$status"
}
PROMPT_COMMAND=__ow_prompt
PS0='\\e]133;C;aid=\${__ow_nonce}\\a'"\${PS0-}"
`;

/** zsh reads its files from $ZDOTDIR, which is ours until the last of them; the person's value is handed on. */
const zshenv = `${takeNonce}
typeset +x __ow_nonce
__ow_dir=$ZDOTDIR
if [[ -n \${ORCHESTRATOR_SHELL_ZDOTDIR-} ]]; then ZDOTDIR=$ORCHESTRATOR_SHELL_ZDOTDIR; else unset ZDOTDIR; fi
unset ORCHESTRATOR_SHELL_ZDOTDIR
[[ -r \${ZDOTDIR:-$HOME}/.zshenv ]] && . "\${ZDOTDIR:-$HOME}/.zshenv"
__ow_zdotdir=\${ZDOTDIR-}
ZDOTDIR=$__ow_dir
`;

const zshUser = (
  name: string,
): string => `if [[ -n $__ow_zdotdir ]]; then ZDOTDIR=$__ow_zdotdir; else unset ZDOTDIR; fi
[[ \${HISTFILE-} == $__ow_dir/* ]] && HISTFILE=\${ZDOTDIR:-$HOME}/\${HISTFILE##*/}
[[ -r \${ZDOTDIR:-$HOME}/${name} ]] && . "\${ZDOTDIR:-$HOME}/${name}"
`;

const zprofile = `${zshUser('.zprofile')}__ow_zdotdir=\${ZDOTDIR-}
ZDOTDIR=$__ow_dir
`;

/**
 * zsh marks a line without an end (PROMPT_SP) before any hook of ours, and so as a part of the output; we do it in its
 * place, after the output's end.
 */
const zshrc = `${zshUser('.zshrc')}__ow_marks_eol=
[[ -o promptsp ]] && { unsetopt promptsp; __ow_marks_eol=1 }
__ow_precmd() {
  local __ow_status=$?
  {
    builtin printf '\\e]133;D;%s;aid=%s\\a' $__ow_status $__ow_nonce
    if [[ -n $__ow_marks_eol ]]; then
      builtin print -nP -- "\${PROMPT_EOL_MARK-%B%S%#%s%b}"
      builtin printf '%*s\\r \\r' $(( COLUMNS - 1 )) ''
    fi
    builtin printf '\\e]133;A;aid=%s\\a' $__ow_nonce
  } >/dev/tty
  [[ $PS1 == *'133;B'* ]] || PS1=$PS1$'%{\\e]133;B\\a%}'
  return $__ow_status
}
__ow_preexec() {
  builtin printf '\\e]133;C;aid=%s\\a' $__ow_nonce >/dev/tty
}
precmd_functions=(__ow_precmd \${precmd_functions-})
preexec_functions+=(__ow_preexec)
`;

const fish = `set -gu __ow_nonce $ORCHESTRATOR_SHELL_NONCE
set -e ORCHESTRATOR_SHELL_NONCE
function __ow_preexec --on-event fish_preexec
    printf '\\e]133;C;aid=%s\\a' $__ow_nonce >/dev/tty
end
function __ow_postexec --on-event fish_postexec
    set -l last $status
    printf '\\e]133;D;%s;aid=%s\\a' $last $__ow_nonce >/dev/tty
end
function __ow_prompt --on-event fish_prompt
    printf '\\e]133;A;aid=%s\\a' $__ow_nonce >/dev/tty
end
`;

/**
 * What $ENV names for sh, dash and ash. They have no hook before a command, so there is no C mark, and all others stand
 * in the prompt. Where sh is bash, bash's hooks are used.
 */
const sh = `${takeNonce}
__ow_dir=\${ENV%/*}
if [ -n "\${ORCHESTRATOR_SHELL_ENV-}" ]; then
  ENV=$ORCHESTRATOR_SHELL_ENV
  eval "__ow_file=\\"$ENV\\""
  unset ORCHESTRATOR_SHELL_ENV
  [ -r "$__ow_file" ] && . "$__ow_file"
  unset __ow_file
else
  unset ENV
fi
if [ -n "\${BASH_VERSION-}" ]; then
  . "$__ow_dir/bash-hooks.sh"
else
  __ow_esc=$(printf '\\033]133;')
  __ow_bel=$(printf '\\007')
  PS1="\${__ow_esc}D;\\$?;aid=\\$__ow_nonce\${__ow_bel}\${__ow_esc}A;aid=\\$__ow_nonce\${__ow_bel}\${PS1:-$ }\${__ow_esc}B;aid=\\$__ow_nonce\${__ow_bel}"
fi
`;

export const shellFiles: readonly ShellFile[] = [
  { name: 'bash.sh', text: bash },
  { name: 'bash-hooks.sh', text: bashHooks },
  { name: '.zshenv', text: zshenv },
  { name: '.zprofile', text: zprofile },
  { name: '.zshrc', text: zshrc },
  { name: 'fish.fish', text: fish },
  { name: 'sh.sh', text: sh },
];
