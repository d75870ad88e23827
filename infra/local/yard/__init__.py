"""The yard: an honest stand-in for Railway and CodeBuild that really runs what it is given.

Where to look:

    app            the parts put together, the three API ports, start and end
    wire           GraphQL over HTTP as Railway answers it; schema.graphql is the exact subset
    projects, services, variables, deployments, domains, logs, metrics
                   the resolvers, one noun each; core is what they work with, views how things look
    access, faults tokens and budgets; what can be made to go wrong; accidents: by whom else
    deployer       how a deployment comes about: snapshot, record, begin
    rollout        how it becomes live; slots and live: where and what runs; replica: one process
    fleet          what may be done to what runs, and how it comes back after a restart
    runs           processes in the sandbox; health: when one counts as up
    registry       images: blobs (content), layers (unpacking), bundles (what a reference means)
    edge           a port for every service; proxy, exchange, peer, downtime: requests through it
    site           static bundles
    journal, meter, traffic
                   logs, samples and requests, kept
    codebuild      the build API; builds, build_record, buildspec, warden: really executed
    events, webhooks, outgoing
                   what is told to others
    store, records, config, errors, clock
"""
