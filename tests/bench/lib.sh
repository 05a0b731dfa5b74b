# shellcheck shell=bash
# tests/bench/lib.sh -- read by the scripts beside it: an akssld of their own; $bin is where the programs are.

daemon=

# own_daemon STATE_DIR SOCKET [OPTION...]: starts it and waits until it answers; AKSSL_SERVER leads to it.
own_daemon() {
    export AKSSL_SERVER="unix:$2"
    # shellcheck disable=SC2154 # bin is the script's
    "$bin/akssld" --state-dir "$1" --socket "$2" --log-level warn "${@:3}" &
    daemon=$!
    until "$bin/akssl-client" list >/dev/null 2>&1; do
        kill -0 $daemon || exit 1
        sleep 0.2
    done
}

# end_daemon ends it, if it was started; its jobs go on from their last commits another time.
end_daemon() {
    [ -z "$daemon" ] || kill -INT "$daemon" 2>/dev/null || true
    [ -z "$daemon" ] || wait "$daemon" 2>/dev/null || true
}

# The options that give a method the heads and settings of peer_torch.py.
peer_options() { # METHOD
    case $1 in
    barlow_twins) echo projection_dim=2048,hidden_dim=2048,lambda_param=0.005 ;;
    byol) echo projection_dim=256,hidden_dim=4096,moving_average_decay=0.99,decay_schedule=constant ;;
    dino) echo projection_dim=4096,hidden_dim=2048,bottleneck_dim=256,norm_last_layer=false,temp_teacher=0.04,center_momentum=0.9,momentum_teacher=0.996,momentum_teacher_end=0.996,freeze_last_layer=0,num_crops=0 ;;
    moco_v2) echo K=4096,m=0.99,temperature=0.2 ;;
    moco_v3) echo projection_dim=256,hidden_dim=4096,projection_end=bias,prediction_end=bias,moving_average_decay=0.99,decay_schedule=constant,temperature=0.2 ;;
    simclr) echo temperature=0.5 ;;
    simsiam) echo projection_dim=2048,prediction_hidden_dim=128 ;;
    swav) echo projection_dim=128,hidden_dim=2048,num_prototypes=512,use_the_queue=false,freeze_prototypes_niters=0,num_crops=0 ;;
    esac
}
