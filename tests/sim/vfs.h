// tests/sim/vfs.h -- SQLite's files on the simulated disk.

#ifndef AK_SIM_VFS_H
#define AK_SIM_VFS_H

// sim_vfs_register makes the simulated disk SQLite's default.
void sim_vfs_register(void);

#endif
