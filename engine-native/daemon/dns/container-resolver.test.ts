import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containerResolver, ownServers } from './container-resolver.ts';

const host = { servers: ['192.0.2.53'], search: ['corp.example'], options: ['edns0', 'ndots:2'] };
const nothing = { Dns: [], DnsSearch: [], DnsOptions: [] };

test('on a bridge network our server comes first and names of one word are asked as they stand', () => {
  assert.deepEqual(containerResolver(nothing, ['10.201.0.1'], host), {
    servers: ['10.201.0.1'],
    search: ['corp.example'],
    options: ['edns0', 'ndots:0'],
  });
});

test('servers that the user names are asked by ours, unless they are the container itself', () => {
  const given = { ...nothing, Dns: ['10.9.9.9'] };
  assert.deepEqual(containerResolver(given, ['10.201.0.1'], host).servers, ['10.201.0.1']);
  assert.deepEqual(ownServers(given), ['10.9.9.9']);
  const own = { ...nothing, Dns: ['127.0.0.1'] };
  assert.deepEqual(containerResolver(own, ['10.201.0.1'], host).servers, ['127.0.0.1']);
  assert.deepEqual(ownServers(own), []);
});

test('search and options of the user stand as they are, "." means no search', () => {
  const wishes = { Dns: [], DnsSearch: ['.'], DnsOptions: ['ndots:3', 'rotate'] };
  assert.deepEqual(containerResolver(wishes, ['10.201.0.1'], host), {
    servers: ['10.201.0.1'],
    search: [],
    options: ['ndots:3', 'rotate'],
  });
});

test("without a bridge network the servers are the given ones or the host's", () => {
  assert.deepEqual(containerResolver(nothing, [], host), host);
  assert.deepEqual(containerResolver({ ...nothing, Dns: ['10.9.9.9'] }, [], host).servers, ['10.9.9.9']);
});
