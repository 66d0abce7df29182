import sys, json, subprocess, tempfile, time
from pathlib import Path
from bench import site, letters
from gateway import services
from sandbox.listener import reserve
secs=float(sys.argv[1]) if len(sys.argv)>1 else 3; rounds=int(sys.argv[2]) if len(sys.argv)>2 else 3
T=sys.argv[3] if len(sys.argv)>3 else "1"; C=sys.argv[4] if len(sys.argv)>4 else "32"
def wrk(s, f, mode, lua="bench/wrk.lua"):
    st=s.stage.state
    out=subprocess.run(["wrk","-t"+T,"-c"+C,f"-d{int(secs+1)}s","--latency","-s",lua,st.webhook_url,"--",str(f),str(secs),C,mode],capture_output=True,text=True)
    try: return json.loads(out.stdout.strip().splitlines()[-1])
    except Exception: print(out.stdout,out.stderr); raise
with reserve() as m:
    port=m.getsockname()[1]
    with site.built(port) as gw, site.built(port) as twin:
        folder=twin.stage.folder
        with site.stub(folder, door=services.socket_path(twin.settings,"ingress"), motion_port=port), twin.running("nginx"), gw.running("ops","ingress","nginx"):
            gw.wait_until_open(); twin.wait_until_open()
            sinch=gw.stage.state.sinch(); t=time.time()
            n=int(2500*secs)
            fs=[letters.written(folder/f"l{i}",[letters.spelled(sinch,l) for l in letters.genuine(sinch,n)]) for i in range(rounds)]
            print("letters",n*rounds,time.time()-t)
            for i in range(rounds):
                a=wrk(twin,fs[i],"cycle"); 
                b=wrk(gw,fs[i],"once")
                ra=a["answered"]/a["seconds"]; rb=(b["answered"]-b["refused"])/b["seconds"]
                print(round(ra),round(rb),round(rb/ra,4),a,b)
            import os
            if os.environ.get("HOLD"): input()
            from gateway.spool import schema; import sqlalchemy as sa
            with gw.spool() as s: print(s.read(lambda c: c.execute(sa.select(sa.func.count()).select_from(schema.event)).scalar()))
