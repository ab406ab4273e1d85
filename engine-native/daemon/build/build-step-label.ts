// The mark of containers that carry out a step of a build.

export const buildStepLabel = 'berth.build-step';
