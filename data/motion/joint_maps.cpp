// The built-in joint maps. What counts is the direction of each bone, for lengths become those of the target skeleton;
// the mixes put pelvis, spine3 and collars where the HumanML3D skeleton has them.
#include "data/motion/retarget.h"

namespace kg {

const std::vector<BuiltinJointMap> kBuiltinJointMaps = {
    {"humanml3d", R"(# The names that kinegrad itself writes.
pelvis = pelvis
left_hip = left_hip
right_hip = right_hip
spine1 = spine1
left_knee = left_knee
right_knee = right_knee
spine2 = spine2
left_ankle = left_ankle
right_ankle = right_ankle
spine3 = spine3
left_foot = left_foot
right_foot = right_foot
neck = neck
left_collar = left_collar
right_collar = right_collar
head = head
left_shoulder = left_shoulder
right_shoulder = right_shoulder
left_elbow = left_elbow
right_elbow = right_elbow
left_wrist = left_wrist
right_wrist = right_wrist
)"},
    {"cmu",
     R"(# CMU motion capture in its conversion for Daz figures: a T-pose and 0.05 s of easing out of it come first.
skip_seconds = 0.1
pelvis = mix(hip, abdomen, 0.6)
left_hip = lThigh
right_hip = rThigh
spine1 = abdomen
left_knee = lShin
right_knee = rShin
spine2 = chest
left_ankle = lFoot
right_ankle = rFoot
spine3 = mix(chest, neck, 0.2)
left_foot = lFoot_end
right_foot = rFoot_end
neck = neck
left_collar = mix(lCollar, lShldr, 0.5)
right_collar = mix(rCollar, rShldr, 0.5)
head = head
left_shoulder = lShldr
right_shoulder = rShldr
left_elbow = lForeArm
right_elbow = rForeArm
left_wrist = lHand
right_wrist = rHand
)"},
    {"asf", R"(# CMU motion capture under the names of its own skeleton files.
pelvis = hip
left_hip = lfemur
right_hip = rfemur
spine1 = upperback
left_knee = ltibia
right_knee = rtibia
spine2 = thorax
left_ankle = lfoot
right_ankle = rfoot
spine3 = mix(thorax, upperneck, 0.2)
left_foot = ltoes
right_foot = rtoes
neck = upperneck
left_collar = mix(lclavicle, lhumerus, 0.5)
right_collar = mix(rclavicle, rhumerus, 0.5)
head = head
left_shoulder = lhumerus
right_shoulder = rhumerus
left_elbow = lradius
right_elbow = rradius
left_wrist = lwrist
right_wrist = rwrist
)"},
    {"bandai", R"(# Bandai Namco Research Motiondataset: two spine joints.
pelvis = mix(Hips, Spine, 0.37)
left_hip = UpperLeg_L
right_hip = UpperLeg_R
spine1 = Spine
left_knee = LowerLeg_L
right_knee = LowerLeg_R
spine2 = Chest
left_ankle = Foot_L
right_ankle = Foot_R
spine3 = mix(Chest, Neck, 0.15)
left_foot = Toes_L
right_foot = Toes_R
neck = Neck
left_collar = mix(Shoulder_L, UpperArm_L, 0.3)
right_collar = mix(Shoulder_R, UpperArm_R, 0.3)
head = Head
left_shoulder = UpperArm_L
right_shoulder = UpperArm_R
left_elbow = LowerArm_L
right_elbow = LowerArm_R
left_wrist = Hand_L
right_wrist = Hand_R
)"},
    {"mixamo", R"(# The names of MotionBuilder, Mixamo (with or without a prefix and a colon) and LAFAN1.
pelvis = Hips
left_hip = LeftUpLeg
right_hip = RightUpLeg
spine1 = Spine
left_knee = LeftLeg
right_knee = RightLeg
spine2 = Spine1
left_ankle = LeftFoot
right_ankle = RightFoot
spine3 = Spine2 | mix(Spine1, Neck, 0.3)
left_foot = LeftToeBase | LeftToe
right_foot = RightToeBase | RightToe
neck = Neck
left_collar = mix(LeftShoulder, LeftArm, 0.4)
right_collar = mix(RightShoulder, RightArm, 0.4)
head = Head
left_shoulder = LeftArm
right_shoulder = RightArm
left_elbow = LeftForeArm
right_elbow = RightForeArm
left_wrist = LeftHand
right_wrist = RightHand
)"},
};

}  // namespace kg
