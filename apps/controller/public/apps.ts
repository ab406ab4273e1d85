// Public endpoints: who am I, apps, config vars, formation, instances, restart.
import { App, ConfigChange, ConfigVars, CreateApp, Formation, FormationChange } from '@berth/contract/app.ts';
import { Instance } from '@berth/contract/instance.ts';
import { AppName, Id } from '@berth/contract/names.ts';
import { DeploymentStatus, Release } from '@berth/contract/release.ts';
import { AppError } from '@berth/kit/errors.ts';
import { type AppRow, listApps, listFormation } from '@berth/store/queries/apps.ts';
import { listHosts } from '@berth/store/queries/hosts.ts';
import { instancesOfApp } from '@berth/store/queries/instances.ts';
import { deploymentById, newestUsableRelease, releaseById } from '@berth/store/queries/releases.ts';
import { type Static, Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { changeConfig, readVars } from '../operations/change-config.ts';
import { changeFormation } from '../operations/change-formation.ts';
import { createApp } from '../operations/create-app.ts';
import { destroyApp } from '../operations/destroy-app.ts';
import { restartApp } from '../operations/restart-app.ts';
import type { Services } from '../services.ts';
import { showApp, showInstance, showRelease } from '../show.ts';
import { appParams, type ForApp } from './for-app.ts';

const ConfigChanged = Type.Object({ version: Type.Integer(), release: Type.Union([Release, Type.Null()]) });
export function appEndpoints(server: FastifyInstance, services: Services, forApp: ForApp): void {
  const { db, config } = services;
  server.get(
    '/v1/whoami',
    {
      schema: {
        summary: 'Who the token belongs to',
        response: { 200: Type.Object({ user: Type.String(), admin: Type.Boolean() }) },
      },
    },
    (request) => {
      return { user: request.user.name, admin: request.user.admin };
    },
  );
  server.get(
    '/v1/apps',
    { schema: { summary: 'Apps you may use', response: { 200: Type.Object({ apps: Type.Array(App) }) } } },
    async (request) => {
      const rows = await listApps(db, request.user.id, request.user.admin);
      return { apps: rows.map((row) => showApp(row, config)) };
    },
  );
  server.post<{ Body: Static<typeof CreateApp> | null }>(
    '/v1/apps',
    {
      schema: {
        summary: 'Create an app',
        body: Type.Union([CreateApp, Type.Null()]),
        response: { 201: App },
      },
    },
    async (request, reply) => {
      const app = await createApp(services, request.user, request.body?.name);
      return reply.code(201).send(showApp(app, config));
    },
  );
  server.get(
    '/v1/apps/:app',
    { schema: { summary: 'One app', params: appParams, response: { 200: App } } },
    async (request) => {
      return showApp(await forApp(request), config);
    },
  );
  server.delete<{ Body: { confirm: string } }>(
    '/v1/apps/:app',
    {
      schema: {
        summary: 'Destroy an app',
        params: appParams,
        body: Type.Object({ confirm: Type.String() }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const app = await forApp(request);
      await destroyApp(services, request.user, app.id, request.body.confirm);
      return reply.code(204).send(null);
    },
  );
  configEndpoints(server, services, forApp);
  formationEndpoints(server, services, forApp);
}

function configEndpoints(server: FastifyInstance, services: Services, forApp: ForApp): void {
  server.get(
    '/v1/apps/:app/config',
    { schema: { summary: 'Config vars', params: appParams, response: { 200: ConfigVars } } },
    async (request) => {
      const app = await forApp(request);
      return {
        version: app.config_number,
        vars: await readVars(services, services.db, app.id, app.config_number),
      };
    },
  );
  server.patch<{ Body: Static<typeof ConfigChange> }>(
    '/v1/apps/:app/config',
    {
      schema: {
        summary: 'Set (string) and unset (null) config vars; makes a release',
        params: appParams,
        body: ConfigChange,
        response: { 200: ConfigChanged },
      },
    },
    async (request) => {
      const app = await forApp(request);
      const { version, release } = await changeConfig(services, request.user, app.id, request.body.vars);
      const row = release && (await releaseById(services.db, release.releaseId));
      return { version, release: row ? showRelease(row) : null };
    },
  );
}

function formationEndpoints(server: FastifyInstance, services: Services, forApp: ForApp): void {
  const { db } = services;
  server.get(
    '/v1/apps/:app/formation',
    { schema: { summary: 'Wanted instances', params: appParams, response: { 200: Formation } } },
    async (request) => {
      return showFormation(services, await forApp(request));
    },
  );
  server.patch<{ Body: Static<typeof FormationChange> }>(
    '/v1/apps/:app/formation',
    {
      schema: {
        summary: 'Scale; makes no release',
        params: appParams,
        body: FormationChange,
        response: { 200: Formation },
      },
    },
    async (request) => {
      const app = await forApp(request);
      await changeFormation(services, request.user, app.id, request.body);
      return showFormation(services, app);
    },
  );
  server.get(
    '/v1/apps/:app/instances',
    {
      schema: {
        summary: 'Running instances',
        params: appParams,
        response: { 200: Type.Object({ instances: Type.Array(Instance) }) },
      },
    },
    async (request) => {
      const app = await forApp(request);
      const [rows, hosts] = await Promise.all([instancesOfApp(db, app.id), listHosts(db)]);
      const numbers = new Map<string, number>();
      for (const row of rows)
        if (!numbers.has(row.release_id))
          numbers.set(row.release_id, (await releaseById(db, row.release_id))?.number ?? 0);
      const hostName = (id: string | null) => hosts.find((host) => host.id === id)?.name ?? null;
      return {
        instances: rows.map((row) =>
          showInstance(row, numbers.get(row.release_id) ?? 0, hostName(row.host_id)),
        ),
      };
    },
  );
  server.post(
    '/v1/apps/:app/restart',
    {
      schema: {
        summary: 'Start new instances of the current release, then stop the old ones',
        params: appParams,
        body: Type.Union([Type.Object({}, { additionalProperties: false }), Type.Null()]),
        response: { 202: Type.Object({ deployment: Type.String() }) },
      },
    },
    async (request, reply) => {
      const app = await forApp(request);
      return reply.code(202).send(await restartApp(services, request.user, app.id));
    },
  );
  server.get<{ Params: { id: string } }>(
    '/v1/apps/:app/deployments/:id',
    {
      schema: {
        summary: 'How a restart or a deployment goes',
        params: Type.Object({ app: AppName, id: Id }),
        response: { 200: DeploymentStatus },
      },
    },
    async (request) => {
      const app = await forApp(request);
      const found = await deploymentById(db, request.params.id);
      if (found?.app_id !== app.id)
        throw new AppError('not_found', `there is no deployment "${request.params.id}"`);
      return { id: found.id, state: found.state, error: found.error, hint: found.hint };
    },
  );
}

async function showFormation(services: Pick<Services, 'db'>, app: AppRow): Promise<Static<typeof Formation>> {
  const [rows, release] = await Promise.all([
    listFormation(services.db, app.id),
    newestUsableRelease(services.db, app.id),
  ]);
  return {
    entries: rows.map((row) => ({
      processType: row.process_type,
      command: release?.process_types[row.process_type] ?? null,
      quantity: row.quantity,
      memoryMb: row.memory_mb,
    })),
  };
}
