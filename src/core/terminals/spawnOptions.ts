import { checkText, invalidRequest } from '../text.ts';
import type { SpawnTerminalRequest } from './terminal.ts';

/** What a terminal is started with, beyond its size and owner; what is missing is as for a person's own. */
export type SpawnOptions = Pick<
  SpawnTerminalRequest,
  'name' | 'shell' | 'args' | 'cwd' | 'env' | 'isCleanEnvironment' | 'ceilings'
>;

/** Linux starts no program with a longer argument or variable; others allow a little more or less in all. */
const longestText = 131_071;

/**
 * Takes over what it knows and leaves the rest: this is a door for code without our types, and what else it may hand over
 * (an owner, a session) is not its to set. Error: `invalid_request`.
 */
export function validSpawnOptions(options: SpawnOptions = {}): SpawnOptions {
  checkObject(options, 'The options of a terminal');
  const { name, shell, args, cwd, env, isCleanEnvironment, ceilings } = options;
  if (name !== undefined) checkText(name, 'The name of a terminal');
  if (shell !== undefined) checkText(shell, 'The shell');
  if (cwd !== undefined) checkText(cwd, 'The working directory');
  if (ceilings !== undefined) checkObject(ceilings, 'The ceilings of a terminal');
  if (args !== undefined) {
    if (!Array.isArray(args))
      throw invalidRequest('The arguments of the shell (args) must be a list of texts.');
    for (const argument of args) checkForProgram(argument, 'An argument (args)');
  }
  if (env !== undefined) {
    checkObject(env, 'The environment (env)');
    for (const [variable, value] of Object.entries(env)) {
      checkForProgram(variable, 'The name of a variable (env)');
      if (variable === '' || variable.includes('=')) {
        throw invalidRequest('The name of a variable (env) must not be empty, nor contain =.');
      }
      if (value !== null) checkForProgram(value, `The variable ${variable} (env)`);
    }
  }
  return { name, shell, args, cwd, env, isCleanEnvironment: isCleanEnvironment === true, ceilings };
}

function checkObject(value: unknown, what: string): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
  throw invalidRequest(`${what} must be an object: the options are by name.`);
}

function checkForProgram(value: unknown, what: string): void {
  checkText(value, what);
  if (value.includes('\0')) throw invalidRequest(`${what} must not contain a NUL character.`);
  if (value.length > longestText) {
    throw invalidRequest(
      `${what} is too long: no program can be started with more than ${longestText} bytes.`,
    );
  }
}
