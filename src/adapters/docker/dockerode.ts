/** What is big and rarely needed: a bundle of its own, loaded with the first call to an engine. */
export { default as Docker } from 'dockerode';
export { default as createDockerIgnore } from '@balena/dockerignore';
export { pack } from 'tar-fs';
