/** What the tests' engine has to run: busybox and nothing else. */
export const testImage = 'workbench-test:latest';
