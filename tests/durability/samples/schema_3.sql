-- A store of schema 3, with a run that failed in its last step, as `sqlite3 FILE .dump` writes it.
PRAGMA application_id = 1818846836;
BEGIN TRANSACTION;
CREATE TABLE lift_facts (
            run BIGINT NOT NULL, seq BIGINT NOT NULL, kind TEXT NOT NULL, address TEXT NOT NULL,
            node TEXT NOT NULL, attempt BIGINT NOT NULL, started_at BIGINT NOT NULL,
            elapsed DOUBLE PRECISION NOT NULL, tokens BIGINT NOT NULL, cost DOUBLE PRECISION,
            input TEXT NOT NULL, digest TEXT NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (run, address, kind));
INSERT INTO "lift_facts" VALUES(1,1,'step','0','Begin',1,1795290258218762,7.67805002396926283836e-04,0,NULL,'448c531ecc8470991e3c141cd37d6eb0','9b8f184c7f0fc09110bee715eff35712','{"writes":[["set",["entry",["day"]],"2026-02-03"],["set",["held"],{"value":"2026-02-04"}],["set",["anything"],{"day":{"$":"tuple","v":[{"$":"date","v":"2026-02-05"},1.5]}}],["set",["_seen"],"2026-02-06"]],"metadata":[["set",[["note"]],{"$":"set","v":["a","b"]}]],"successor":{"$":"Fork","nodes":[{"$":"durability.older_run:Write","day":{"$":"date","v":"2026-02-07"}},{"$":"durability.older_run:Write","day":{"$":"date","v":"2026-02-08"}}],"then":{"$":"durability.older_run:Finish"}}}');
INSERT INTO "lift_facts" VALUES(1,2,'step','0.0','Write',1,1795290258221307,3.14898999931756407022e-04,0,NULL,'60cf2005d38b6feb1d86941863b963d0','6bb893c5533ae963acd6b968240d8d24','{"writes":[["set",["entry",["day"]],"2026-02-07"],["append",["days"],["2026-02-07"]]],"successor":{"$":"End"}}');
INSERT INTO "lift_facts" VALUES(1,3,'step','0.1','Write',1,1795290258221895,2.17114000406581908464e-04,0,NULL,'843101c37d52ff97bce101620c7851f0','c6a89fec8e0df1ebb4024070271fce41','{"writes":[["append",["days"],["2026-02-08"]]],"successor":{"$":"End"}}');
INSERT INTO "lift_facts" VALUES(1,4,'join','0','Begin',1,1795290258223572,0.0,0,NULL,'9b8f184c7f0fc09110bee715eff35712','5fe33c6f323acda3c218d388ed46bf60','{"succeeded":[0,1],"failed":{},"elapsed":[0.000315,0.000217],"joined":"e67784bca34021a148c9ac04a08cfbd7"}');
INSERT INTO "lift_facts" VALUES(1,5,'started','1','Finish',1,1795290258224385,0.0,0,NULL,'','','{}');
CREATE TABLE lift_runs (
            id INTEGER PRIMARY KEY, execution_id TEXT NOT NULL UNIQUE, graph TEXT NOT NULL, target TEXT NOT NULL,
            status TEXT NOT NULL, epoch BIGINT NOT NULL, user_id TEXT, seed TEXT NOT NULL,
            input TEXT NOT NULL, parent TEXT, parent_address TEXT, created_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL, elapsed DOUBLE PRECISION NOT NULL, error TEXT,
            last_seq BIGINT NOT NULL, steps BIGINT NOT NULL, tokens BIGINT NOT NULL,
            cost DOUBLE PRECISION);
INSERT INTO "lift_runs" VALUES(1,'older','Begin','','failed',0,NULL,'7','448c531ecc8470991e3c141cd37d6eb0',NULL,NULL,1795290258209415,1795290258224668,8.13085700065130367875e-03,'NodeError: Step 1 (Finish) failed after 0.00423 ms: ConnectionError: down',5,3,0,NULL);
CREATE TABLE lift_schema (version BIGINT NOT NULL);
INSERT INTO "lift_schema" VALUES(3);
CREATE TABLE lift_starts (run BIGINT PRIMARY KEY, body TEXT NOT NULL);
INSERT INTO "lift_starts" VALUES(1,'{"start":null,"state":{"entry":{"day":"2026-02-02","key":{"$":"secret"}},"held":null,"days":[],"anything":null,"$private":{"_seen":"2026-01-01"}},"metadata":{},"shape":{"nodes":{"Begin":{"next":["Fork[Write, Finish]"],"fields":{}},"Write":{"next":["End[None]"],"fields":{}},"Finish":{"next":["End[date]"],"fields":{}}},"state":"State","types":{"State":{"entry":"Entry | None","held":"Held[date] | None","days":"list[date] (Append())","anything":"Any"},"Held":{"value":"T"}}}}');
CREATE INDEX lift_runs_created ON lift_runs (created_at);
CREATE INDEX lift_runs_status ON lift_runs (status, created_at);
CREATE INDEX lift_runs_graph ON lift_runs (graph, created_at);
CREATE INDEX lift_runs_user ON lift_runs (user_id, created_at);
CREATE INDEX lift_runs_elapsed ON lift_runs (elapsed);
CREATE INDEX lift_facts_node ON lift_facts (node, run) WHERE kind = 'step';
COMMIT;
