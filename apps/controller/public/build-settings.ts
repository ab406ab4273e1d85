// Public endpoints: how an app is built. A change takes effect with the next push.
import { Buildpacks, BuildpacksChange, Stack, StackChange } from '@berth/contract/build.ts';
import { stackNames } from '@berth/contract/buildpack-names.ts';
import { appById } from '@berth/store/queries/apps.ts';
import type { Static } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { changeBuildpacks, changeStack } from '../operations/change-build-settings.ts';
import type { Services } from '../services.ts';
import { appParams, type ForApp } from './for-app.ts';

export function buildSettingsEndpoints(server: FastifyInstance, services: Services, forApp: ForApp): void {
  server.get(
    '/v1/apps/:app/buildpacks',
    {
      schema: {
        summary: 'The buildpacks set on the app, in order; none: its tree decides',
        params: appParams,
        response: { 200: Buildpacks },
      },
    },
    async (request) => {
      return { buildpacks: (await forApp(request)).buildpacks };
    },
  );
  server.put<{ Body: Static<typeof BuildpacksChange> }>(
    '/v1/apps/:app/buildpacks',
    {
      schema: {
        summary: 'Set the buildpacks; in force from the next push on',
        params: appParams,
        body: BuildpacksChange,
        response: { 200: Buildpacks },
      },
    },
    async (request) => {
      const app = await forApp(request);
      await changeBuildpacks(services, request.user, app.id, request.body);
      return { buildpacks: (await appById(services.db, app.id))?.buildpacks ?? [] };
    },
  );
  server.get(
    '/v1/apps/:app/stack',
    {
      schema: {
        summary: 'What the app is built on',
        params: appParams,
        response: { 200: Stack },
      },
    },
    async (request) => showStack((await forApp(request)).stack),
  );
  server.put<{ Body: Static<typeof StackChange> }>(
    '/v1/apps/:app/stack',
    {
      schema: {
        summary: 'Set the stack (null: the default); in force from the next push on',
        params: appParams,
        body: StackChange,
        response: { 200: Stack },
      },
    },
    async (request) => {
      const app = await forApp(request);
      await changeStack(services, request.user, app.id, request.body.stack);
      return showStack((await appById(services.db, app.id))?.stack ?? null);
    },
  );
}

function showStack(stack: string | null): Static<typeof Stack> {
  return { stack, default: stackNames[0] ?? '', available: [...stackNames] };
}
