// Execs: a second process in a running container. Created, started once, kept a while for their exit code.
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { AppError } from '@berth/kit/errors.ts';
import type { Events } from '../events.ts';
import { JsonFields } from '../json-fields.ts';
import type { ProcessSpec } from '../runtime/container-spec.ts';
import { execFailureExitCode, RuntimeFailure, startFailureText } from '../runtime/runtime-failure.ts';
import { groupsOf, processEnv } from './build-spec.ts';
import type { Container } from './container.ts';
import { publishContainer } from './describe-event.ts';
import { parseDetachKeys } from './detach-keys.ts';
import { mergeEnv } from './merge-image-config.ts';

const keptMs = 5 * 60_000; // a client asks for the exit code right after the end; later it is only memory

export interface Exec {
  id: string;
  container: Container;
  process: ProcessSpec;
  attachStdin: boolean;
  attachStdout: boolean;
  attachStderr: boolean;
  privileged: boolean;
  /** Input that ends a session and not the process. */
  detachKeys: Buffer;
  pid: number;
  isStarted: boolean;
  isRunning: boolean;
  exitCode: number | null;
}

export class ExecRegistry {
  readonly #execs = new Map<string, Exec>();
  readonly #events: Events;

  constructor(events: Events) {
    this.#events = events;
  }

  get(id: string): Exec {
    const exec = this.#execs.get(id);
    if (!exec) throw new AppError('not_found', `no such exec "${id}"`);
    return exec;
  }

  create(container: Container, body: unknown): Exec {
    container.runningShim();
    if (container.status === 'paused')
      throw new AppError(
        'conflict',
        `container ${container.record.name} is paused, unpause the container before exec`,
      );
    const fields = new JsonFields(body);
    const args = fields.command('Cmd') ?? [];
    if (args.length === 0) throw new AppError('bad_request', 'no exec command specified');
    const { config } = container.record;
    const tty = fields.flag('Tty') ?? false;
    const size = (fields.raw()['ConsoleSize'] ?? []) as number[];
    const exec: Exec = {
      id: randomBytes(32).toString('hex'),
      container,
      process: {
        args,
        env: processEnv(mergeEnv(config.Env, fields.texts('Env') ?? []), config.Hostname, tty),
        cwd: fields.text('WorkingDir') || config.WorkingDir || '/',
        user: fields.text('User') || config.User,
        ...groupsOf(container.record.hostConfig),
        tty,
        rows: Number(size[0] ?? 0),
        cols: Number(size[1] ?? 0),
        stdin: fields.flag('AttachStdin') ?? false,
      },
      attachStdin: fields.flag('AttachStdin') ?? false,
      attachStdout: fields.flag('AttachStdout') ?? false,
      attachStderr: fields.flag('AttachStderr') ?? false,
      privileged: fields.flag('Privileged') ?? false,
      detachKeys: parseDetachKeys(fields.text('DetachKeys') ?? ''),
      pid: 0,
      isStarted: false,
      isRunning: false,
      exitCode: null,
    };
    this.#execs.set(exec.id, exec);
    container.execIds.add(exec.id);
    publishContainer(this.#events, container, `exec_create: ${args.join(' ')}`, { execID: exec.id });
    return exec;
  }

  /** Starts it and gives its stream; without a tty the last frame (type 3) is the shim's and not for the client. */
  async start(exec: Exec, detach: boolean): Promise<Socket> {
    if (exec.isStarted) throw new AppError('conflict', `exec "${exec.id.slice(0, 12)}" was started already`);
    exec.isStarted = true;
    const { container } = exec;
    const shim = container.runningShim();
    try {
      const { pid, socket } = await shim.exec({
        process: exec.process,
        stdin: exec.attachStdin,
        privileged: exec.privileged,
        detach,
      });
      exec.pid = pid;
      exec.isRunning = true;
      publishContainer(this.#events, container, `exec_start: ${exec.process.args.join(' ')}`, {
        execID: exec.id,
      });
      shim.execWait(pid).then(
        (exitCode) => this.finish(exec, exitCode),
        () => this.finish(exec, 137),
      );
      return socket;
    } catch (error) {
      this.finish(exec, execFailureExitCode(error));
      if (!(error instanceof RuntimeFailure)) throw error;
      throw new AppError(error.code, startFailureText(error), { cause: error });
    }
  }

  /** The client leaves; the process goes on. */
  detach(exec: Exec, client: Socket): void {
    publishContainer(this.#events, exec.container, 'exec_detach', { execID: exec.id });
    client.end();
  }

  /** The first answer counts: the stream's last frame may come before or after `execWait`. */
  finish(exec: Exec, exitCode: number): void {
    if (exec.exitCode !== null) return;
    exec.isRunning = false;
    exec.exitCode = exitCode;
    publishContainer(this.#events, exec.container, 'exec_die', {
      execID: exec.id,
      exitCode: String(exitCode),
    });
    setTimeout(() => this.#forget(exec), keptMs).unref();
  }

  #forget(exec: Exec): void {
    this.#execs.delete(exec.id);
    exec.container.execIds.delete(exec.id);
  }
}
